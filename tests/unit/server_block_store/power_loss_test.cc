// What was acknowledged survives kills and power cuts at any step, and what was removed does not come back.
#include "tests/support/power_loss_disk.h"
#include "tests/support/seeds.h"
#include "tests/support/tally.h"

#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

using testing::PowerLossDisk;

class PowerLoss : public ::testing::TestWithParam<int> {
 protected:
  ~PowerLoss() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    auto opened = SegmentBlockStore::open(*disk_, random_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = std::move(*opened);
  }

  /// One random operation; `in_doubt_` names the block whose state a cut in its middle leaves open.
  void operate() {
    const TestBlock& b = pool_[engine_() % pool_.size()];
    const auto kind = engine_() % 8;
    if (kind < 4) {
      in_doubt_ = b.id;
      NewBlock fresh = b.as_new();
      ASSERT_TRUE(store_->put(volume_, {&fresh, 1}).ok());
      alive_.insert(b.id);
    } else if (kind < 7) {
      in_doubt_ = b.id;
      ASSERT_TRUE(store_->remove(volume_, {&b.id, 1}).ok());
      alive_.erase(b.id);
    } else {
      ASSERT_TRUE(store_->maintain().ok());
    }
    in_doubt_.reset();
  }

  /// What was in doubt is from now on what the store says.
  void check() {
    for (const TestBlock& b : pool_) {
      auto bytes = store_->get(volume_, b.id);
      if (bytes.ok()) {
        ASSERT_EQ(*bytes, b.bytes);
      }
      if (b.id == in_doubt_) {
        alive_.erase(b.id);
        if (bytes.ok()) alive_.insert(b.id);
      }
      ASSERT_EQ(bytes.ok(), alive_.contains(b.id)) << b.id.hex();
    }
    in_doubt_.reset();
  }

  const std::string directory_ = fresh_directory();  // for the lock only: the disk is in memory
  const VolumeId volume_ = make_volume(1);
  std::mt19937_64 engine_{static_cast<std::uint64_t>(GetParam())};
  SystemRandom random_;
  // Every second test has segments with so much room that the next life goes on with the last one.
  SegmentBlockStore::Options options_{
      .directory = directory_, .segment_bytes = 4000u + GetParam() % 2 * 1024 * 1024, .reserve_bytes = 0};
  std::unique_ptr<PowerLossDisk> disk_ = std::make_unique<PowerLossDisk>();
  std::unique_ptr<SegmentBlockStore> store_;
  std::vector<TestBlock> pool_;
  std::set<BlockId> alive_;
  std::optional<BlockId> in_doubt_;
};

TEST_P(PowerLoss, AtAnyStepKeepsTheLedger) {
  for (std::uint64_t i = 0; i < 16; ++i) pool_.push_back(make_block(1 + engine_() % 1200, i));
  for (int life = 0; life < 20; ++life) {
    // The end comes at a random step of this life: its opening, an append, a roll, a compaction. What the kernel keeps after
    // a kill is not on the disk yet, and gone with the power.
    std::unique_ptr<PowerLossDisk> after;
    std::set<BlockId> alive_then;
    std::optional<BlockId> in_doubt_then;
    std::uint64_t steps_left = engine_() % 3 ? engine_() % 150 : engine_() % 8;
    const bool kill = engine_() % 3 == 0;
    disk_->before_step = [&] {
      if (after || steps_left-- != 0) return;
      after = kill ? disk_->after_kill() : disk_->after_power_cut(engine_);
      alive_then = alive_;
      in_doubt_then = in_doubt_;
    };
    open();
    check();
    while (!after && !HasFatalFailure()) operate();
    ASSERT_FALSE(HasFatalFailure()) << "life " << life;
    disk_->before_step = [] {};
    store_.reset();
    skymoor::testing::tally(kill ? "server killed" : "server lost power");
    disk_ = std::move(after);
    alive_ = std::move(alive_then);
    in_doubt_ = in_doubt_then;
  }
}

/// Found: a segment whose maker was killed before it synced the directory was gone on with, and its name went with the
/// power.
TEST(PowerLossAfterKill, KeepsWhatTheNextLifeAcknowledges) {
  const std::string directory = fresh_directory();
  const VolumeId volume = make_volume(1);
  const TestBlock first = make_block(100, 1), second = make_block(100, 2);
  SystemRandom random;
  auto open = [&](PowerLossDisk& disk) {
    return std::move(SegmentBlockStore::open(disk, random, {.directory = directory})).value();
  };
  auto put = [&](SegmentBlockStore& store, const TestBlock& b) {
    const NewBlock fresh = b.as_new();
    ASSERT_TRUE(store.put(volume, {&fresh, 1}).ok());
  };
  for (int step = 0;; ++step) {
    PowerLossDisk disk;
    std::unique_ptr<PowerLossDisk> killed;
    disk.before_step = [&, to_go = step]() mutable {
      if (to_go-- == 0) killed = disk.after_kill();
    };
    put(*open(disk), first);
    if (!killed) break;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      std::mt19937_64 engine(seed);
      const auto next = killed->after_kill();
      const auto store = open(*next);
      put(*store, second);
      const auto cut = next->after_power_cut(engine);
      EXPECT_TRUE(store->close().ok());  // its lock is free
      EXPECT_TRUE(open(*cut)->get(volume, second.id).ok()) << "killed at step " << step << ", cut " << seed;
    }
  }
  std::filesystem::remove_all(directory);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PowerLoss, ::testing::ValuesIn(skymoor::testing::seed_range(1, 17)));

}  // namespace
}  // namespace skymoor::server
