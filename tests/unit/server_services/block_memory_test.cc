// Memory runs out at each allocation of a block's way to the disk: the block is stored or refused, whatever was answered for is
// there after the next start, and the next one is stored.
#include "shared/base/must_finish.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/server_block_store/store_fixture.h"

namespace skymoor::server {
namespace {

using skymoor::testing::FailingMemory;
using BlockMemoryTest = SegmentStoreTest;

TEST_F(BlockMemoryTest, MemoryThatRunsOutLosesNoBlockAndStopsNobody) {
  options_.segment_bytes = 64 * 1024;   // so that segments are closed and begun on the way
  open();
  std::vector<TestBlock> stored;
  std::uint64_t seed = 0, refused = 0;
  for (bool for_good : {false, true}) {
    std::uint64_t nth = 1;
    for (bool more = true; more; ++nth) {
      ASSERT_LT(nth, 2000u);
      ASSERT_TRUE(MustFinish::ready().ok());
      const TestBlock block = make_block(9000, ++seed);
      Status outcome;
      {
        FailingMemory failing(nth, for_good);
        outcome = contained([&] { return put(block); });
        more = failing.fired();
      }
      refused += !outcome.ok();
      if (outcome.ok()) stored.push_back(block);
      const TestBlock next = make_block(9000, ++seed);
      ASSERT_TRUE(put(next).ok()) << "allocation " << nth;
      ASSERT_TRUE(put(block).ok());
      stored.push_back(next);
    }
  }
  EXPECT_GT(refused, 10u);
  open();
  for (const TestBlock& block : stored) EXPECT_TRUE(reads(block));
  std::cout << refused << " blocks refused, " << stored.size() << " stored\n";
}

}  // namespace
}  // namespace skymoor::server
