// Single schedules of the planner's model: what random ones have found, in few steps.
#include <gtest/gtest.h>

#include "tests/model/planner_simulation.h"

namespace skymoor::client::model {
namespace {

/// Devices that start with one file `f` in the root, known to all.
class PlannerCases : public testing::Test {
 protected:
  void SetUp() override {
    file_ = make_inode_id(a_.writer(), a_.next_lsn().value);
    InodeRow row;
    row.id = file_;
    row.attributes.type = FileType::kFile;
    row.links = 1;
    row.parent = kRootInode;
    author(a_, CreateIntent{kRootInode, "f", file_}, row);
    write(a_, 1);
    settle();
  }
  void author(ModelDevice& device, Intent intent, std::optional<InodeRow> row = {}) {
    LogRecord record;
    record.lsn = device.next_lsn();
    record.time = Timestamp{std::chrono::hours(24 * 365 * 50)};
    record.intent = std::move(intent);
    if (row) record.changes.push_back(PutInode{*row});
    device.author(std::move(record));
  }
  TreeNode node(ModelDevice& device, InodeId inode) { return *device.view().node(inode).value(); }
  OpId seen(ModelDevice& device, InodeId inode) { return node(device, inode).content; }
  /// Writes `file_`. `bytes`: equal numbers are equal bytes. Returns the inode that a copy for this write would have.
  InodeId write(ModelDevice& device, int bytes) {
    const TreeNode before = node(device, file_);
    const OpId content{device.writer(), device.next_lsn().value};
    digests_[content] = bytes;
    InodeRow row;
    row.id = file_;
    row.attributes = before.attributes;
    row.links = before.names;
    row.content = content;
    author(device, WriteIntent{file_, before.content}, row);
    return make_inode_id(device.writer(), content.counter);
  }
  Place place(ModelDevice& device, InodeId inode) { return device.view().places(inode).value().front(); }
  void unlink(ModelDevice& device, InodeId inode) {
    const Place at = place(device, inode);
    author(device, UnlinkIntent{at.directory, at.name, inode, true, seen(device, inode)});
  }
  void rename(ModelDevice& device, InodeId inode, const std::string& name) {
    const Place at = place(device, inode);
    author(device, RenameIntent{at.directory, at.name, kRootInode, name, inode, seen(device, inode), {}, {}, false, false});
  }
  InodeId make(ModelDevice& device, InodeId directory, const std::string& name) {
    InodeRow row;
    row.id = make_inode_id(device.writer(), device.next_lsn().value);
    row.attributes.type = FileType::kDirectory;
    row.links = 2;
    row.parent = directory;
    author(device, CreateIntent{directory, name, row.id}, row);
    return row.id;
  }
  void move(ModelDevice& device, InodeId inode, InodeId to, const std::string& name) {
    const Place at = place(device, inode);
    author(device, RenameIntent{at.directory, at.name, to, name, inode, {}, {}, {}, false, false});
  }
  void settle() {
    for (int round = 0; round < 5; ++round)
      for (ModelDevice* device : {&a_, &b_, &c_}) {
        device->push(100, false);
        device->pull();
      }
    for (ModelDevice* device : {&a_, &b_, &c_}) {
      EXPECT_TRUE(device->idle());
      EXPECT_EQ(device->confirmed().slots(), arbiter_.tree().slots());
    }
  }
  /// How many names show these bytes.
  int names_with(int bytes) {
    int count = 0;
    for (const auto& [at, inode] : arbiter_.tree().slots())
      count += digests_.at(arbiter_.tree().node(inode).value()->content) == bytes;
    return count;
  }

  Digests digests_;
  Arbiter arbiter_{{}};
  ModelDevice a_{"A", WriterId{1}, arbiter_, digests_, {}}, b_{"B", WriterId{2}, arbiter_, digests_, {}},
      c_{"C", WriterId{3}, arbiter_, digests_, {}};
  InodeId file_;
};

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
