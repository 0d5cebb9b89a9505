// Single schedules of the planner's model: what random ones have found, in few steps.
#include <gtest/gtest.h>

#include "tests/unit/fuse_sync/three_devices.h"

namespace skymoor::client::model {
namespace {

class PlannerCases : public testing::Test, protected ThreeDevices {
 protected:
  static InodeRow file_row(InodeId inode) {
    InodeRow row;
    row.id = inode;
    row.attributes.type = FileType::kFile;
    row.attributes.size = 1;
    row.links = 1;
    row.parent = kRootInode;
    return row;
  }
  /// A file that was written before it had a name.
  InodeId named_late(ModelDevice& device, const std::string& name, int bytes) {
    InodeRow row = file_row(make_inode_id(device.writer(), device.next_lsn().value));
    row.content = {device.writer(), device.next_lsn().value};
    digests_[row.content] = bytes;
    author(device, CreateIntent{kRootInode, name, row.id}, row);
    return row.id;
  }
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

/// `ln f b; rm f`, and the other side has moved f: what was deleted is gone from there, and b is no name for it.
TEST_F(PlannerCases, ANameThatAnotherHasMovedIsNotTheLinkBesideIt) {
  InodeRow linked = row(b_, file_);
  const OpId content = linked.content;
  ++linked.links;
  author(b_, LinkIntent{kRootInode, "b", file_, content}, linked);
  author(b_, UnlinkIntent{kRootInode, "f", file_, false, content});
  rename(a_, file_, "c");
  a_.push(1, false);
  b_.pull();
  settle();
  EXPECT_EQ(arbiter_.tree().slot({kRootInode, "b"}).value(), file_);
  EXPECT_EQ(arbiter_.tree().slot({kRootInode, "c"}).value(), file_);
}

/// `ln f b; mv new f`, the other side has moved f and made another: the new one does not go over the link.
TEST_F(PlannerCases, AReplacementDoesNotGoOverTheLinkBesideIt) {
  InodeRow linked = row(b_, file_);
  const OpId content = linked.content;
  ++linked.links;
  author(b_, LinkIntent{kRootInode, "b", file_, content}, linked);
  const InodeId fresh = create(b_, kRootInode, "new", 7);
  author(b_, RenameIntent{kRootInode, "new", kRootInode, "f", fresh, seen(b_, fresh), file_, content, false, false});
  rename(a_, file_, "old");
  create(a_, kRootInode, "f", 8);
  a_.push(100, false);
  b_.pull();
  settle();
  EXPECT_EQ(arbiter_.tree().slot({kRootInode, "b"}).value(), file_);
  EXPECT_EQ(names_with(7), 1);
  EXPECT_EQ(names_with(8), 1);
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

/// Two records once: a kill between them left the others an empty file.
TEST_F(PlannerCases, AFileThatWasWrittenBeforeItHadANameComesWithItsContent) {
  const InodeId first = named_late(a_, "first", 7), second = named_late(b_, "second", 8);
  file_ = first;
  settle();
  EXPECT_EQ(names_with(7), 1);
  EXPECT_EQ(names_with(8), 1);
  EXPECT_EQ(seen(b_, first), seen(a_, first));
  // Written on by its author, before and after others have it: no copy.
  const InodeId third = named_late(a_, "third", 9);
  file_ = third;
  write(a_, 10);
  settle();
  write(a_, 11);
  write(b_, 12);   // beside what a wrote
  settle();
  EXPECT_EQ(names_with(9) + names_with(10), 0);
  EXPECT_EQ(names_with(11), 1);
  EXPECT_EQ(names_with(12), 1);
  (void)second;
}

TEST_F(PlannerCases, EqualFilesThatGotTheirNamesLateAreOne) {
  named_late(a_, "same", 7);
  file_ = named_late(b_, "same", 7);
  settle();
  EXPECT_EQ(names_with(7), 1);
  EXPECT_EQ(arbiter_.tree().slots().size(), 2u);
  named_late(a_, "other", 8);
  named_late(b_, "other", 9);
  settle();
  EXPECT_EQ(names_with(8) + names_with(9), 2);
}

/// Logs of before have the content in a record of its own, and in the first one's row the content of when it had no name.
TEST_F(PlannerCases, OlderRecordsOfALateNameStayWhatTheyWere) {
  const OpId nameless{a_.writer(), a_.next_lsn().value};
  author(a_, LocalIntent{});
  const InodeId inode = make_inode_id(a_.writer(), nameless.counter);
  InodeRow row = file_row(inode);
  row.content = nameless;
  author(a_, CreateIntent{kRootInode, "late", inode}, row);
  row.content = {a_.writer(), a_.next_lsn().value};
  digests_[row.content] = 7;
  author(a_, WriteIntent{inode, {}}, row);
  settle();
  EXPECT_EQ(names_with(7), 1);
  EXPECT_EQ(arbiter_.tree().slots().size(), 2u);
}

/// One record sets a mode and the list that agrees with it, or makes a directory with its lists.
TEST_F(PlannerCases, XattrsOfARecordGoWithIt) {
  auto xattrs_of = [&](const LogRecord& record) {
    std::map<std::string, bool> found;
    const Plan planned = plan(record, a_.view(), Aliases{}, {a_.writer(), "A", {}}).value();
    for (const TreeEffect& effect : planned.effects)
      if (const auto* xattr = std::get_if<XattrEffect>(&effect)) found[xattr->name] = xattr->value.has_value();
    return found;
  };
  LogRecord record;
  record.lsn = a_.next_lsn();
  InodeRow made = file_row(make_inode_id(a_.writer(), record.lsn.value));
  record.intent = CreateIntent{kRootInode, "new", made.id};
  record.changes = {PutInode{made}, PutXattr{made.id, "access", Bytes(1)}, PutXattr{made.id, "default", Bytes(1)}};
  EXPECT_EQ(xattrs_of(record), (std::map<std::string, bool>{{"access", true}, {"default", true}}));
  InodeRow known = file_row(file_);
  known.content = seen(a_, file_);
  record.intent = AttributeIntent{file_, kFieldMode};
  record.changes = {PutInode{known}, PutXattr{file_, "access", Bytes(1)}, EraseXattr{file_, "capability"}};
  EXPECT_EQ(xattrs_of(record), (std::map<std::string, bool>{{"access", true}, {"capability", false}}));
  record.intent = WriteIntent{file_, known.content};
  known.content = {a_.writer(), record.lsn.value};
  record.changes = {PutInode{known}, EraseXattr{file_, "capability"}};
  EXPECT_EQ(xattrs_of(record), (std::map<std::string, bool>{{"capability", false}}));
}

}  // namespace
}  // namespace skymoor::client::model
