// Single schedules of the planner's model: what random ones have found, in few steps.
#include <gtest/gtest.h>

#include "tests/unit/fuse_sync/three_devices.h"

namespace skymoor::client::model {
namespace {

class PlannerCases : public testing::Test, protected ThreeDevices {};

/// Whether the author's conflict copy lives decides what his rename moves: it must not change unnoticed.
TEST_F(PlannerCases, ACopyThatComesBackStopsARenameThatDidWithoutIt) {
  const InodeId copy = write(b_, 2);
  rename(b_, file_, "z");
  write(a_, 3);
  a_.push(1, false);
  b_.pull();
  b_.push(1, false);   // the copy; the rename, which is about it, waits
  for (ModelDevice* device : {&a_, &c_}) device->pull();
  ASSERT_TRUE(node(c_, copy).live());
  rename(c_, copy, "y");
  unlink(a_, copy);
  unlink(a_, file_);
  a_.push(2, false);
  b_.pull();
  c_.push(1, false);   // refused: the copy is dead by now
  c_.push(1, false);   // revives it, after B has looked
  EXPECT_TRUE(arbiter_.tree().node(copy).value()->live());
  EXPECT_NO_THROW(b_.push(1, false));
  settle();
  EXPECT_EQ(names_with(2), 1);
}

/// Moved away and back again, a directory is not in the commit: nothing but what was read says where it could not go.
TEST_F(PlannerCases, AMoveThatWouldCloseALoopStopsWhatWasPlannedWithoutOne) {
  const InodeId high = make(a_, kRootInode, "high"), low = make(a_, high, "low"), moved = make(a_, kRootInode, "moved");
  settle();
  move(c_, moved, low, "moved");
  const InodeId made = make(c_, kRootInode, "moved");
  author(c_, RenameIntent{kRootInode, "moved", low, "moved", made, {}, moved, {}, false, true});
  move(a_, high, moved, "high");
  a_.push(1, false);
  c_.push(3, false);   // would be `made` in `low`, with `moved` where it was
  EXPECT_NO_THROW(c_.pull());
  settle();
}

/// The file that was replaced and the one that took its place had equal bytes, and are one by now; a third has the name.
TEST_F(PlannerCases, AFileThatWasMovedOverItsEqualIsNotItsOwnVictim) {
  MemoryTree tree;
  const InodeId theirs = make_inode_id(WriterId{2}, 1), third = make_inode_id(WriterId{1}, 6), mine = make_inode_id(WriterId{1}, 1);
  const OpId content{WriterId{2}, 4};
  for (InodeId inode : {theirs, third}) tree.apply(NewEffect{inode, {}, {}});
  tree.apply(LinkEffect{kRootInode, "a (conflict)", theirs});
  tree.apply(LinkEffect{kRootInode, "a", third});
  tree.apply(PutEffect{theirs, content, 1, {}, {}, {}});
  Aliases known;
  known.inodes[mine] = theirs;
  known.moved[{Place{kRootInode, "a"}, theirs}] = Place{kRootInode, "a (conflict)"};
  LogRecord record;
  record.lsn = Lsn{9};
  record.intent = RenameIntent{kRootInode, "a (conflict)", kRootInode, "a", theirs, content, mine, content, true, false};
  const auto planned = plan(record, tree, known, {WriterId{1}, "A", {}});
  ASSERT_TRUE(planned.ok()) << planned.error().to_string();
  for (const TreeEffect& effect : planned->effects) tree.apply(effect);
  EXPECT_EQ(tree.places(theirs).value().size(), 1u);
  EXPECT_EQ(tree.slot({kRootInode, "a"}).value(), third);
}

/// The author saw the other side's version and wrote over that: its bytes say nothing of what he wrote before.
TEST_F(PlannerCases, EqualBytesInALaterWriteDoNotStandForAnEarlierOne) {
  write(b_, 2);
  write(a_, 3);
  a_.push(1, false);
  b_.pull();           // 2 goes to a copy, `f` is 3
  write(b_, 3);
  a_.push(1, false);
  rename(a_, file_, "g");
  a_.push(1, false);
  b_.pull();
  settle();
  EXPECT_EQ(names_with(2), 1);
  EXPECT_EQ(names_with(3), 1);
}

TEST_F(PlannerCases, OfTwoConflictsInAFileOneMayEndInEqualBytes) {
  write(b_, 2);
  write(a_, 3);
  a_.push(1, false);
  b_.pull();           // 2 goes to a copy
  write(b_, 4);
  write(a_, 4);
  a_.push(1, false);
  b_.pull();
  settle();
  EXPECT_EQ(names_with(2), 1);
  EXPECT_EQ(names_with(4), 1);
}

TEST_F(PlannerCases, WritesThatEndInEqualBytesAreNoConflict) {
  write(b_, 2);
  write(b_, 3);
  write(a_, 3);
  a_.push(1, false);
  b_.pull();
  settle();
  EXPECT_EQ(names_with(2), 0);
  EXPECT_EQ(names_with(3), 1);
  EXPECT_EQ(b_.conflict_names(), 0u);
}

}  // namespace
}  // namespace skymoor::client::model
