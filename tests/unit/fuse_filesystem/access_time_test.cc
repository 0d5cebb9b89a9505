// Access times: which reading moves them, by which rule, and that nobody else hears of it.
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

using Times = Filesystem::AccessTimes;

class AccessTimeTest : public FsTest {
 protected:
  void mount(Times times, bool directories = true) {
    stack.options.access_times = times;
    stack.options.directory_access_times = directories;
    stack.reopen();
  }
  Timestamp atime(InodeId inode) { return stack.node(inode).attributes.atime; }
  /// Content and change lie an hour back, the last access `access_age`.
  void age(InodeId inode, std::chrono::hours access_age) {
    const Timestamp now = stack.node(inode).attributes.ctime;
    SetAttributesRequest wanted;
    wanted.mtime = wanted.ctime = now - std::chrono::hours(48);
    wanted.atime = now - access_age;
    ASSERT_OK(stack.fs->set_attributes(r, inode, wanted));
  }
  void read_once(InodeId inode, bool no_access_time = false) {
    OpenFlags flags;
    flags.no_access_time = no_access_time;
    auto opened = stack.fs->open(r, inode, flags);
    ASSERT_OK(opened);
    stack.fs->release(opened->handle);
  }
};

TEST_F(AccessTimeTest, RelativeMovesOnceAfterAChangeAndOnceADay) {
  InodeId a = stack.write_file("a", "x");
  Timestamp first = atime(a);
  read_once(a);
  EXPECT_GT(atime(a), first);
  Timestamp second = atime(a);
  read_once(a);
  EXPECT_EQ(atime(a), second);
  age(a, std::chrono::hours(23));
  Timestamp aged = atime(a);
  read_once(a);
  EXPECT_EQ(atime(a), aged);
  age(a, std::chrono::hours(25));
  read_once(a);
  EXPECT_GT(atime(a), aged);
}

TEST_F(AccessTimeTest, StrictMovesWithEveryOpen) {
  mount(Times::kStrict);
  InodeId a = stack.write_file("a", "x");
  for (int i = 0; i < 3; ++i) {
    Timestamp before = atime(a);
    read_once(a);
    EXPECT_GT(atime(a), before);
  }
  Timestamp before = atime(a);
  read_once(a, true);
  EXPECT_EQ(atime(a), before) << "O_NOATIME";
}

TEST_F(AccessTimeTest, NeverMeansNever) {
  mount(Times::kNever);
  InodeId a = stack.write_file("a", "x"), d = stack.mkdir("d");
  Timestamp file = atime(a), directory = atime(d);
  read_once(a);
  ASSERT_OK(stack.fs->read_directory(r, d, 0, 10, false));
  EXPECT_EQ(atime(a), file);
  EXPECT_EQ(atime(d), directory);
}

TEST_F(AccessTimeTest, ListingsAndSymlinksCount) {
  mount(Times::kStrict);
  InodeId d = stack.mkdir("d");
  auto link = stack.fs->make_symlink(r, kRootInode, "l", "target");
  ASSERT_OK(link);
  Timestamp directory = atime(d), symlink = atime(link->id);
  ASSERT_OK(stack.fs->read_directory(r, d, 0, 10, false));
  ASSERT_OK(stack.fs->read_link(r, link->id));
  EXPECT_GT(atime(d), directory);
  EXPECT_GT(atime(link->id), symlink);
  mount(Times::kStrict, false);
  directory = atime(d), symlink = atime(link->id);
  ASSERT_OK(stack.fs->read_directory(r, d, 0, 10, false));
  ASSERT_OK(stack.fs->read_link(r, link->id));
  EXPECT_EQ(atime(d), directory) << "nodiratime";
  EXPECT_GT(atime(link->id), symlink);
}

TEST_F(AccessTimeTest, AReadThroughAHandleForBothCounts) {
  InodeId a = stack.write_file("a", "x");
  Timestamp before = atime(a);
  HandleId handle = stack.open_file(a);
  EXPECT_EQ(atime(a), before) << "opened for both, not read yet";
  ASSERT_OK(stack.fs->read(r, handle, 0, 10));
  EXPECT_GT(atime(a), before);
  stack.fs->release(handle);
}

TEST_F(AccessTimeTest, TheyAreKeptHereAndSentToNobody) {
  InodeId a = stack.write_file("a", "x");
  const std::size_t records = stack.records().size();
  const int woken = stack.fetcher.changes;
  read_once(a);
  EXPECT_EQ(stack.records().size(), records);
  EXPECT_EQ(stack.fetcher.changes, woken);
  Timestamp moved = atime(a);
  stack.reopen();
  EXPECT_EQ(atime(a), moved);
}

}  // namespace
}  // namespace skymoor::client
