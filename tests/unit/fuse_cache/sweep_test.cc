#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/fuse_cache/cache_fixture.h"

namespace skymoor::client {
namespace {

class SweepTest : public CacheTest {
 protected:
  void set_used(const std::string& which, InodeId inode, std::int64_t seconds) {
    char name[64];
    std::snprintf(name, sizeof name, "/backing/%02x/%016llx", static_cast<unsigned>(inode.value & 0xff),
                  static_cast<unsigned long long>(inode.value));
    timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, ((dir / which) + name).c_str(), times, 0), 0);
  }
};

TEST_F(SweepTest, CountsWhatIsThereAndRemovesStrangers) {
  fill(InodeId{1}, 4096);
  fill_clean(InodeId{2}, 8192);
  fill(InodeId{3}, 4096);
  fill_clean(InodeId{4}, 4096);
  reopen();
  EXPECT_EQ(store->usage().dirty_bytes, 0u);
  ASSERT_TRUE(store->sweep([](InodeId inode) { return inode.value <= 2; }).ok());
  EXPECT_EQ(store->usage().dirty_bytes, 4096u);
  EXPECT_EQ(store->usage().clean_bytes, 8192u);
  EXPECT_FALSE(store->exists(InodeId{3}));
  EXPECT_FALSE(store->exists(InodeId{4}));
  EXPECT_EQ(files_in("data") + files_in("cache"), 2u);
}

TEST_F(SweepTest, FilesAreUsableBeforeTheSweep) {
  fill_clean(InodeId{1}, 4096);
  fill(InodeId{2}, 10, 9);
  reopen();
  EXPECT_EQ(content(InodeId{2}), Bytes(10, 9));
  ASSERT_TRUE(store->make_dirty(InodeId{1}).ok());
  ASSERT_TRUE(store->remove(InodeId{2}).ok());
  ASSERT_TRUE(store->sweep([](InodeId) { return true; }).ok());
  EXPECT_EQ(store->usage().dirty_bytes, 4096u);
  EXPECT_EQ(store->usage().clean_bytes, 0u);
  EXPECT_FALSE(store->exists(InodeId{2}));
}

TEST_F(SweepTest, AFileRemovedDuringTheSweepIsNotCounted) {
  fill_clean(InodeId{0x100}, 4096);
  fill_clean(InodeId{0x101}, 4096);
  reopen();
  ASSERT_TRUE(store->sweep([&](InodeId inode) {
    if (inode.value == 0x101) {
      EXPECT_TRUE(store->remove(InodeId{0x100}).ok());
    }
    return true;
  }).ok());
  EXPECT_EQ(store->usage().clean_bytes, 4096u);
  EXPECT_FALSE(store->exists(InodeId{0x100}));
}

TEST_F(SweepTest, TheOrderOfUseSurvives) {
  for (std::uint64_t i = 1; i <= 3; ++i) fill_clean(InodeId{i}, 4096);
  set_used("cache", InodeId{1}, 3000);
  set_used("cache", InodeId{2}, 1000);
  set_used("cache", InodeId{3}, 2000);
  reopen();
  ASSERT_TRUE(store->sweep([](InodeId) { return true; }).ok());
  ListJudge judge;
  EXPECT_EQ(store->evict(judge, 4096).value(), 2 * 4096u);
  EXPECT_EQ(judge.asked, (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(SweepTest, ForeignNamesAreLeftAlone) {
  std::string path = dir / "data/backing/00/notes.txt";
  ASSERT_TRUE(disk.open(path, {.create = true}).ok());
  ASSERT_TRUE(store->sweep([](InodeId) { return false; }).ok());
  EXPECT_TRUE(disk.exists(path));
}

}  // namespace
}  // namespace skymoor::client
