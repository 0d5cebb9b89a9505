#include <thread>

#include "tests/unit/fuse_cache/cache_fixture.h"

namespace skymoor::client {
namespace {

class EvictionTest : public CacheTest {
 protected:
  EvictionTest() {
    limit = 3 * 4096;
    reopen();
  }
  ListJudge judge;
};

TEST_F(EvictionTest, TheLeastRecentlyUsedGoFirst) {
  for (std::uint64_t i = 1; i <= 5; ++i) fill_clean(InodeId{i}, 4096);
  store->touch(InodeId{1});
  EXPECT_EQ(store->evict(judge, UINT64_MAX).value(), 2 * 4096u);
  EXPECT_EQ(judge.asked, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(store->exists(InodeId{1}));
  EXPECT_FALSE(store->exists(InodeId{2}));
  EXPECT_EQ(store->usage().clean_bytes, 3 * 4096u);
}

TEST_F(EvictionTest, NothingGoesWhileItFits) {
  for (std::uint64_t i = 1; i <= 3; ++i) fill_clean(InodeId{i}, 4096);
  EXPECT_EQ(store->evict(judge, UINT64_MAX).value(), 0u);
  EXPECT_TRUE(judge.asked.empty());
}

TEST_F(EvictionTest, DirtyFilesAndThoseInUseStay) {
  for (std::uint64_t i = 1; i <= 4; ++i) fill(InodeId{i}, 4096);
  judge.keep = {1, 2, 3, 4};
  EXPECT_EQ(store->evict(judge, UINT64_MAX).value(), 0u);
  auto used = store->open_file(InodeId{1}, false).value();
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(store->make_clean(InodeId{i}).ok());
  judge.keep = {2};
  EXPECT_EQ(store->evict(judge, 0).value(), 2 * 4096u);
  EXPECT_TRUE(store->exists(InodeId{1}));
  EXPECT_TRUE(store->exists(InodeId{2}));
}

/// As when a large tree is pinned: each of its files is asked about once or twice, and what lies behind them goes.
TEST_F(EvictionTest, FilesThatStayDoNotHideThoseThatMayGo) {
  constexpr std::uint64_t kPinned = 9000;   // more than are looked at in two passes
  for (std::uint64_t i = 1; i <= kPinned; ++i) judge.keep.insert(i);
  for (std::uint64_t i = 1; i <= kPinned + 10; ++i) fill_clean(InodeId{i}, i > kPinned ? 4096 : 1);
  EXPECT_EQ(store->evict(judge, 0).value(), 10 * 4096u);
  EXPECT_LT(judge.asked.size(), kPinned + 10 + 4096);   // what fills the last pass is asked about again
  EXPECT_TRUE(store->exists(InodeId{1}));
  EXPECT_FALSE(store->exists(InodeId{kPinned + 1}));
}

TEST_F(EvictionTest, UnseenFilesStay) {
  fill_clean(InodeId{1}, 4096);
  ASSERT_TRUE(store->set_unseen(InodeId{1}, true).ok());
  EXPECT_EQ(store->evict(judge, 0).value(), 0u);
  EXPECT_TRUE(judge.asked.empty());
}

TEST_F(EvictionTest, CleanFilesLeftAmongTheDirtyGoUnderPressure) {
  fill(InodeId{1}, 4096);
  fill(InodeId{2}, 4096);
  judge.keep = {1};
  EXPECT_EQ(store->evict(judge, 0).value(), 4096u);
  EXPECT_TRUE(store->exists(InodeId{1}));
  EXPECT_FALSE(store->exists(InodeId{2}));
}

// An open that comes while the judge decides must not get the file that is about to go.
TEST_F(EvictionTest, AnOpenDuringTheDecisionGetsANewFile) {
  fill_clean(InodeId{1}, 4096);
  std::jthread opener;
  std::atomic<bool> opened{false};
  judge.while_asked = [&](InodeId inode) {
    if (opener.joinable()) {  // asked again, of the new file: that one is wanted
      judge.keep.insert(inode.value);
      return;
    }
    opener = std::jthread([&, inode] {
      auto file = store->open_file(inode, true).value();
      EXPECT_EQ(file->file().size().value(), 0u);
      EXPECT_TRUE(file->file().write_at(0, as_bytes("new")).ok());
      opened = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(opened);
  };
  EXPECT_EQ(store->evict(judge, 0).value(), 4096u);
  opener.join();
  EXPECT_EQ(as_text(content(InodeId{1})), "new");
}

TEST_F(EvictionTest, AFailedUnlinkKeepsTheFileCounted) {
  fill_clean(InodeId{1}, 4096);
  hook = [](const FaultPoint& point) { return point.name == "disk.unlink" ? EIO : 0; };
  EXPECT_FALSE(store->evict(judge, 0).ok());
  hook = nullptr;
  EXPECT_EQ(store->usage().clean_bytes, 4096u);
  EXPECT_EQ(content(InodeId{1}).size(), 4096u);
}

}  // namespace
}  // namespace skymoor::client
