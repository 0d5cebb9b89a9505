// Compaction keeps what lives, drops what is dead, and never brings anything back.
#include <thread>

#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

class Compaction : public SegmentStoreTest {
 protected:
  Compaction() { options_.segment_bytes = 5000; }

  void fill(std::size_t count) {
    open();
    for (std::uint64_t i = 0; i < count; ++i) {
      blocks_.push_back(make_block(1000, i));
      ASSERT_TRUE(put(blocks_.back()).ok());
      alive_.push_back(true);
    }
  }
  void kill_block(std::size_t i) {
    EXPECT_EQ(remove(blocks_[i]), 1u);
    alive_[i] = false;
  }
  void maintain_until_done() {
    for (int i = 0; i < 200; ++i) {
      auto more = store_->maintain();
      ASSERT_TRUE(more.ok()) << more.error().to_string();
      if (!*more) return;
    }
    FAIL() << "compaction does not end";
  }
  void check() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      EXPECT_EQ(has(blocks_[i]), alive_[i]) << i;
      EXPECT_EQ(reads(blocks_[i]), alive_[i]) << i;
    }
  }

  std::vector<TestBlock> blocks_;
  std::vector<bool> alive_;
};

TEST_F(Compaction, LiveBlocksMoveAndDeadOnesFreeTheirSpace) {
  fill(40);
  for (std::size_t i = 0; i < 40; ++i)
    if (i % 4) kill_block(i);
  const auto before = store_->stats();
  maintain_until_done();
  const auto after = store_->stats();
  EXPECT_LT(after.disk_bytes, before.disk_bytes / 2);
  EXPECT_EQ(after.blocks, 10u);
  check();
  open();
  check();
}

TEST_F(Compaction, NothingToDoIsSaidAtOnce) {
  fill(20);
  const auto before = store_->stats();
  EXPECT_FALSE(*store_->maintain());
  EXPECT_EQ(store_->stats().disk_bytes, before.disk_bytes);
}

TEST_F(Compaction, RemovedBlocksDoNotComeBackWhenTheirTombstoneMoves) {
  fill(12);
  // Tombstones of blocks in segment 1, in later segments which are then compacted before segment 1 is.
  kill_block(1);
  for (std::uint64_t i = 100; i < 130; ++i) {
    TestBlock b = make_block(1000, i);
    ASSERT_TRUE(put(b).ok());
    if (i % 5) {
      EXPECT_EQ(remove(b), 1u);
    }
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store_->maintain().ok());
    const std::string copy = copy_of_directory();
    store_.reset();
    std::filesystem::remove_all(directory_);
    std::filesystem::rename(copy, directory_);
    open();
    check();
  }
  maintain_until_done();
  open();
  check();
}

TEST_F(Compaction, ABlockPutAgainAfterItsRemovalSurvivesAll) {
  fill(8);
  for (int round = 0; round < 30; ++round) {
    const std::size_t i = static_cast<std::size_t>(round) % 8;
    if (alive_[i]) {
      kill_block(i);
    } else {
      ASSERT_TRUE(put(blocks_[i]).ok());
      alive_[i] = true;
    }
    if (round % 3 == 0) {
      ASSERT_TRUE(store_->maintain().ok());
    }
    if (round % 5 == 0) open();
    check();
  }
}

TEST_F(Compaction, TombstonesAreDroppedInTheEnd) {
  fill(4);
  // Far more tombstones than data, while segment 1 stays full of live blocks.
  for (std::uint64_t i = 0; i < 300; ++i) {
    TestBlock b = make_block(10, 1000 + i);
    ASSERT_TRUE(put(b).ok());
    ASSERT_EQ(remove(b), 1u);
  }
  maintain_until_done();
  // Left: four live blocks, the active segment, and at most what may wait for the next rewrite of the oldest.
  EXPECT_LT(store_->stats().disk_bytes, 4u * 1100 + 3 * 5000);
  check();
  open();
  check();
}

TEST_F(Compaction, AFailureLeavesTheSegmentAndLosesNothing) {
  fill(20);
  for (std::size_t i = 0; i < 20; ++i)
    if (i % 4) kill_block(i);
  for (const char* step : {"file.write", "file.sync", "disk.unlink", "disk.sync_directory", "block_store.moved"}) {
    faults_.fail(step, EIO);
    EXPECT_FALSE(store_->maintain().ok()) << step;
    faults_.clear();
    check();
    open();
    check();
  }
  maintain_until_done();
  check();
}

TEST_F(Compaction, SegmentsWithDamagedBlocksAreLeftAlone) {
  fill(8);
  for (std::size_t i : {0u, 1u, 2u}) kill_block(i);
  // Block 3, the only live one of segment 1, rots.
  flip_bit(segment(1), (std::filesystem::file_size(segment(1)) - 500) * 8);
  EXPECT_FALSE(*store_->maintain());
  EXPECT_TRUE(std::filesystem::exists(segment(1)));
  EXPECT_EQ(get_error(blocks_[3]), Code::kCorrupt);
  ASSERT_TRUE(put(blocks_[3]).ok());
  maintain_until_done();
  EXPECT_FALSE(std::filesystem::exists(segment(1)));
  check();
}

TEST_F(Compaction, ABlockRemovedWhileItWaitsToBeMovedStaysGone) {
  fill(8);
  for (std::size_t i : {0u, 1u, 2u}) kill_block(i);
  // One put holds the commit queue in its sync; a removal of block 3 and then its move gather behind it.
  std::atomic<bool> holding = false;
  std::atomic<bool> release = false;
  faults_.set([&](const FaultPoint& p) {
    if (p.name != "file.sync" || holding.exchange(true)) return 0;
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 0;
  });
  std::jthread first([&] { EXPECT_TRUE(put(make_block(10, 99)).ok()); });
  while (!holding) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::jthread removal([&] { kill_block(3); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::jthread move([&] { EXPECT_TRUE(store_->maintain().ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  release = true;
  first.join(), removal.join(), move.join();
  check();
  open();
  check();
}

TEST_F(Compaction, AReadThatFindsItsSegmentJustDeletedFindsTheMovedBlock) {
  fill(8);
  for (std::size_t i : {0u, 1u, 2u}) kill_block(i);
  store_.reset();
  SegmentBlockStore* store = nullptr;
  bool armed = false;
  PosixDisk disk([&](const FaultPoint& p) {
    if (armed && p.name == "disk.open") {
      armed = false;
      EXPECT_TRUE(store->maintain().ok());
      EXPECT_FALSE(std::filesystem::exists(segment(1)));
    }
    return 0;
  });
  auto opened = SegmentBlockStore::open(disk, random_, options_);
  ASSERT_TRUE(opened.ok());
  store = opened->get();
  armed = true;
  auto bytes = store->get(volume_, blocks_[3].id);
  ASSERT_TRUE(bytes.ok()) << bytes.error().to_string();
  EXPECT_EQ(*bytes, blocks_[3].bytes);
}

TEST_F(Compaction, RunsWhileOthersReadWriteAndRemove) {
  options_.open_files = 2;
  fill(40);
  std::atomic<bool> stop = false;
  std::atomic<int> failed = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (std::size_t i = 0; !stop; i = (i + 4) % 40) failed += !reads(blocks_[i]);
    });
  threads.emplace_back([&] {
    for (std::uint64_t i = 0; i < 60; ++i) {
      TestBlock b = make_block(1000, 5000 + i);
      failed += !put(b).ok();
      failed += !reads(b);
      failed += remove(b) != 1;
      failed += has(b);
    }
    stop = true;
  });
  for (std::size_t i = 0; i < 40; ++i)
    if (i % 4) kill_block(i);
  while (!stop) failed += !store_->maintain().ok();
  threads.clear();
  EXPECT_EQ(failed, 0);
  maintain_until_done();
  check();
  open();
  check();
}

}  // namespace
}  // namespace skymoor::server
