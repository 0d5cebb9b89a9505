#include "backend-server/app/housekeeping.h"

#include "backend-server/app/data_hold.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

/// Counts the steps; a round of compaction has three. Holds no blocks.
class CountingStore final : public BlockStore {
 public:
  Status put(const VolumeId&, std::span<const NewBlock>) override { return {}; }
  Status read(const VolumeId&, const BlockId&, const Placing&) override {
    return Error(Code::kNotFound, "empty");
  }
  Result<std::vector<bool>> contains(const VolumeId&, std::span<const BlockId> ids) override {
    return std::vector<bool>(ids.size());
  }
  Result<std::size_t> remove(const VolumeId&, std::span<const BlockId>) override { return std::size_t{0}; }
  Result<BlockPage> list(const ListRequest&) override { return BlockPage{}; }
  BlockStoreStats stats() override { return {}; }
  Status close() override { return {}; }
  Result<bool> maintain() override { return ++maintained % 3 != 0; }
  Result<ScrubReport> scrub(const ScrubRequest& request) override {
    const int place = scrubbed++ % steps;
    BlockName expected;
    expected.block.value[0] = static_cast<std::uint8_t>(place);
    if (request.after != (place == 0 ? std::nullopt : std::optional(expected))) ++wrong_cursors;
    ScrubReport report;
    report.blocks = 1;
    expected.block.value[0] = static_cast<std::uint8_t>(place + 1);
    if (place + 1 < steps) report.next = expected;
    return report;
  }
  int steps = 3;   ///< of a pass
  std::atomic<int> maintained{0}, scrubbed{0}, wrong_cursors{0};
};

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return condition();
}

class HousekeepingTest : public ::testing::Test {
 protected:
  Housekeeping::Options options() {
    Housekeeping::Options options;
    options.round = std::chrono::milliseconds(5);
    options.scrub_every = std::chrono::milliseconds(20);
    options.data_directory = directory_.path();
    options.progress_file = progress_file();
    return options;
  }
  std::string progress_file() const { return directory_.path() + "/scrub.toml"; }
  /// As one server that stops after `steps` steps of its scrub, or a few more.
  void serve(Housekeeping::Options options, int steps) {
    const int before = store_.scrubbed;
    Housekeeping housekeeping(std::move(options), disk_, store_, partial_, clock_);
    EXPECT_TRUE(eventually([&] { return store_.scrubbed >= before + steps; }));
  }
  ScrubProgress progress() {
    auto kept = load_scrub_progress(disk_, progress_file());
    EXPECT_TRUE(kept.ok());
    return kept.value_or({});
  }

  testing::TempDir directory_;
  PosixDisk disk_;
  CountingStore store_;
  SystemClock clock_;
  PartialBlocks partial_{clock_};
};

TEST_F(HousekeepingTest, CompactsAndScrubsInRounds) {
  Housekeeping housekeeping(options(), disk_, store_, partial_, clock_);
  EXPECT_TRUE(eventually([&] { return store_.scrubbed >= 6 && store_.maintained >= 6; }));
  housekeeping.stop();
  int after = store_.scrubbed;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(store_.scrubbed, after);
  EXPECT_EQ(store_.wrong_cursors, 0);
}

TEST_F(HousekeepingTest, DeletesNothingWhileABackupIsMade) {
  auto hold = DataHold::take(directory_.path());
  ASSERT_TRUE(hold.ok()) << hold.error().to_string();
  {
    Housekeeping housekeeping(options(), disk_, store_, partial_, clock_);
    EXPECT_TRUE(eventually([&] { return store_.scrubbed >= 6; }));
    EXPECT_EQ(store_.maintained, 0);
  }
  hold = Error(Code::kBusy, "let go of");
  Housekeeping housekeeping(options(), disk_, store_, partial_, clock_);
  EXPECT_TRUE(eventually([&] { return store_.maintained >= 3; }));
}

TEST_F(HousekeepingTest, StopsAtOnceInTheMiddleOfAPause) {
  auto start = std::chrono::steady_clock::now();
  Housekeeping::Options slow = options();
  slow.round = std::chrono::hours(1);
  { Housekeeping housekeeping(slow, disk_, store_, partial_, clock_); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

/// A server that never runs as long as a pass takes comes to the end of it nevertheless.
TEST_F(HousekeepingTest, APassGoesOnAfterARestart) {
  store_.steps = 40;
  Housekeeping::Options monthly = options();
  monthly.scrub_every = std::chrono::hours(24 * 30);
  monthly.round = std::chrono::hours(1);   // each server comes to one step
  int servers = 0;
  for (; servers < 100 && !progress().done; ++servers) serve(monthly, 1);
  EXPECT_EQ(servers, store_.steps);
  EXPECT_EQ(store_.scrubbed, store_.steps);
  EXPECT_EQ(store_.wrong_cursors, 0);
  EXPECT_EQ(progress().blocks, 40u);
}

/// The month is the calendar's, not the server's.
TEST_F(HousekeepingTest, TheNextPassIsDueAMonthAfterTheLast) {
  const std::chrono::milliseconds month = std::chrono::hours(24 * 30);
  const Timestamp now = clock_.now();
  EXPECT_TRUE(ScrubProgress{}.due(now, month));
  EXPECT_FALSE((ScrubProgress{.done = now - month / 2}).due(now, month));
  EXPECT_TRUE((ScrubProgress{.done = now - month}).due(now, month));
  EXPECT_TRUE((ScrubProgress{.done = now + std::chrono::hours(1)}).due(now, month));
  Housekeeping::Options monthly = options();
  monthly.scrub_every = month;
  ASSERT_TRUE(save_scrub_progress(disk_, progress_file(), {.done = now - month / 2}).ok());
  {
    Housekeeping housekeeping(monthly, disk_, store_, partial_, clock_);
    EXPECT_TRUE(eventually([&] { return store_.maintained >= 9; }));
  }
  EXPECT_EQ(store_.scrubbed, 0);
  ASSERT_TRUE(save_scrub_progress(disk_, progress_file(), {.done = now - month * 2}).ok());
  serve(monthly, 3);
}

TEST_F(HousekeepingTest, AfterAFileThatIsNoneAPassBegins) {
  std::ofstream(progress_file()) << "after-block = \"a block\"\n";
  serve(options(), 3);
  EXPECT_EQ(store_.wrong_cursors, 0);
}

}  // namespace
}  // namespace skymoor::server
