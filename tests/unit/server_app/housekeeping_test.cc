#include "backend-server/app/housekeeping.h"

#include <gtest/gtest.h>

#include <atomic>

namespace skymoor::server {
namespace {

/// Counts the steps; a scrub pass has three, and so has a round of compaction. Holds no blocks.
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
    int step = ++scrubbed;
    if (request.after.has_value() == (step % 3 == 1)) ++wrong_cursors;
    ScrubReport report;
    report.blocks = 1;
    if (step % 3 != 0) report.next = BlockName{};
    return report;
  }
  std::atomic<int> maintained{0}, scrubbed{0}, wrong_cursors{0};
};

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return condition();
}

TEST(HousekeepingTest, CompactsAndScrubsInRounds) {
  CountingStore store;
  SystemClock clock;
  PartialBlocks partial(clock);
  Housekeeping::Options options;
  options.round = std::chrono::milliseconds(5);
  options.scrub_every = std::chrono::milliseconds(20);
  Housekeeping housekeeping(options, store, partial, clock);
  EXPECT_TRUE(eventually([&] { return store.scrubbed >= 6 && store.maintained >= 6; }));
  housekeeping.stop();
  int after = store.scrubbed;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(store.scrubbed, after);
  EXPECT_EQ(store.wrong_cursors, 0);
}

TEST(HousekeepingTest, StopsAtOnceInTheMiddleOfAPause) {
  CountingStore store;
  SystemClock clock;
  PartialBlocks partial(clock);
  auto start = std::chrono::steady_clock::now();
  { Housekeeping housekeeping({.round = std::chrono::hours(1)}, store, partial, clock); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace skymoor::server
