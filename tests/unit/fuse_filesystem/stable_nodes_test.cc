// What is open stays what it is when a re-plan gives its content to a conflict copy. The test plays the re-plan.
#include "fuse/filesystem/stable_nodes.h"

#include <thread>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class StableNodesTest : public FsTest {
 protected:
  void SetUp() override {
    stack.open();
    a = stack.write_file("a", "mine");
    copy = stack.touch("a (conflict)");
    table = stack.directory() + "/data/nodes";
    nodes = std::make_unique<StableNodes>(*stack.fs, stack.disk, table);
  }
  void TearDown() override { nodes.reset(); }

  void move(InodeId from, InodeId to) {
    ASSERT_OK(nodes->moves_begin({{from, to}}));
    auto frozen = stack.backing->open_file(from, false).value()->freeze();
    stack.move_rows(*nodes, from, to);
    ASSERT_OK(stack.backing->move(from, to));
    frozen.unlock();
    nodes->files_moved();
  }
  InodeId number(std::string_view name) {
    auto node = nodes->lookup(r, kRootInode, name);
    EXPECT_TRUE(node.ok()) << node.error().to_string();
    return node->number ? node->number : node->id;
  }

  InodeId a, copy;
  std::string table;
  std::unique_ptr<StableNodes> nodes;
};

TEST_F(StableNodesTest, WhatIsOpenGoesOnAsTheCopy) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  move(a, copy);
  EXPECT_EQ(number("a"), copy);
  EXPECT_EQ(number("a (conflict)"), a);
  ASSERT_OK(nodes->set_attributes(r, a, {.size = 2, .handle = handle}));
  ASSERT_OK(stack.write(handle, 2, "lk"));
  ASSERT_OK(nodes->sync_file(r, handle, false));
  EXPECT_EQ(stack.content(copy), "milk");
  EXPECT_EQ(stack.content(a), "");
  EXPECT_EQ(nodes->get_attributes(r, a)->id, copy);
  // The other file is another's, and opens at once.
  const HandleId other = nodes->open(r, copy, FsStack::rw())->handle;
  ASSERT_OK(stack.write(other, 0, "theirs"));
  EXPECT_EQ(stack.content(a), "theirs");
  EXPECT_EQ(stack.content(copy), "milk");
  nodes->release(handle);
  nodes->release(other);
  stack.expect_sound();
}

TEST_F(StableNodesTest, WhatTheKernelHasIsToldByItsNumbers) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  move(a, copy);
  const VisibleChanges told = nodes->for_kernel({.names = {}, .attributes = {a, copy, kRootInode}, .contents = {a}});
  EXPECT_EQ(told.attributes, (std::vector<InodeId>{copy, a, kRootInode}));
  EXPECT_EQ(told.contents, std::vector<InodeId>{copy});
  auto entries = nodes->read_directory(r, kRootInode, 0, 10, true);
  ASSERT_TRUE(entries.ok());
  for (const DirectoryEntry& entry : *entries) EXPECT_EQ(entry.node.number, entry.node.id == a ? copy : a) << entry.name;
  nodes->release(handle);
}

TEST_F(StableNodesTest, WhatNobodyHasOpenKeepsItsNumber) {
  move(a, copy);
  EXPECT_EQ(number("a"), a);
  EXPECT_EQ(number("a (conflict)"), copy);
  EXPECT_EQ(stack.content(copy), "mine");
}

TEST_F(StableNodesTest, AConflictThatIsTakenBackLeavesNothing) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  move(a, copy);
  move(copy, a);
  EXPECT_EQ(number("a"), a);
  ASSERT_OK(stack.write(handle, 0, "M"));
  EXPECT_EQ(stack.content(a), "Mine");
  EXPECT_TRUE(StableNodes::load(stack.disk, table, {})->inode_of.empty());
  nodes->release(handle);
}

TEST_F(StableNodesTest, TheNextProcessKnowsThem) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  move(a, copy);
  auto kept = StableNodes::load(stack.disk, table, {});
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(StableNodes::inode_of(*kept, a), copy);
  EXPECT_EQ(StableNodes::inode_of(*kept, copy), a);
  EXPECT_EQ(StableNodes::inode_of(*kept, kRootInode), kRootInode);
  nodes->release(handle);
}

// Killed between the rows and the table: whether the rows were there is for recovery to say.
TEST_F(StableNodesTest, AMoveThatWasCutShortCountsIfItHappened) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  ASSERT_OK(nodes->moves_begin({{a, copy}}));
  EXPECT_TRUE(StableNodes::load(stack.disk, table, {})->inode_of.empty());
  EXPECT_EQ(StableNodes::inode_of(*StableNodes::load(stack.disk, table, {{a, copy}}), a), copy);
  EXPECT_TRUE(StableNodes::load(stack.disk, table, {{copy, a}})->inode_of.empty());
  nodes->files_moved();
  nodes->release(handle);
}

// Full in that moment. It was only logged once, and a kill -9 gave what was open to the other side's version.
TEST_F(StableNodesTest, ATableThatCannotBeWrittenIsSaidAndWrittenLater) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  ASSERT_OK(nodes->moves_begin({{a, copy}}));
  stack.move_rows(*nodes, a, copy);
  stack.hook = [](const FaultPoint& point) { return point.detail.ends_with("nodes.new") ? ENOSPC : 0; };
  nodes->files_moved();
  EXPECT_CODE(nodes->moves_kept(), Code::kNoSpace);
  EXPECT_EQ(StableNodes::inode_of(*StableNodes::load(stack.disk, table, {{a, copy}}), a), copy) << "told, the next knows";
  stack.hook = nullptr;
  ASSERT_OK(nodes->moves_kept());
  EXPECT_EQ(StableNodes::inode_of(*StableNodes::load(stack.disk, table, {}), a), copy);
  nodes->release(handle);
}

// The next process learns of the move, and the one after it must know as well.
TEST_F(StableNodesTest, WhatWasToldIsWrittenDown) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  ASSERT_OK(nodes->moves_begin({{a, copy}}));
  StableNodes next(*stack.fs, stack.disk, table, *StableNodes::load(stack.disk, table, {{a, copy}}));
  ASSERT_OK(next.moves_kept());
  EXPECT_EQ(StableNodes::inode_of(*StableNodes::load(stack.disk, table, {}), a), copy);
  nodes->files_moved();
  nodes->release(handle);
}

// The table has room for one file. The second one's re-plan waits until nobody has that file open; nothing moves before.
TEST_F(StableNodesTest, BeyondTheBoundAMoveWaitsUntilTheFileIsClosed) {
  const InodeId b = stack.write_file("b", "mine, too"), copy_of_b = stack.touch("b (conflict)");
  nodes = std::make_unique<StableNodes>(*stack.fs, stack.disk, table, StableNodes::Table{}, 2);
  const HandleId first = nodes->open(r, a, FsStack::rw())->handle, second = nodes->open(r, b, FsStack::rw())->handle;
  ASSERT_OK(nodes->moves_begin({{a, copy}}));
  nodes->files_moved();
  EXPECT_CODE(nodes->moves_begin({{a, copy}, {b, copy_of_b}}), Code::kTooManyOpenFiles);
  move(a, copy);
  EXPECT_CODE(nodes->moves_begin({{b, copy_of_b}}), Code::kTooManyOpenFiles);
  ASSERT_OK(stack.write(second, 0, "M"));   // the gate is open again
  EXPECT_EQ(number("b"), b);
  EXPECT_EQ(stack.content(b), "Mine, too");
  move(copy, a);   // needs no place
  move(a, copy);
  nodes->release(second);
  move(b, copy_of_b);
  EXPECT_EQ(number("b"), b);
  EXPECT_EQ(stack.content(copy_of_b), "Mine, too");
  ASSERT_OK(stack.write(first, 0, "M"));
  EXPECT_EQ(stack.content(copy), "Mine");
  nodes->release(first);
  stack.expect_sound();
}

TEST_F(StableNodesTest, ADamagedTableIsAnError) {
  for (std::string_view bytes : {"x", "\1\0\0\0\0\0\0\0\0", "not a table of any kind"}) {
    ASSERT_OK(write_file_durably(stack.disk, table, as_bytes(bytes)));
    EXPECT_CODE(StableNodes::load(stack.disk, table, {}), Code::kCorrupt);
  }
  EXPECT_TRUE(StableNodes::load(stack.disk, table + ".none", {})->inode_of.empty());
}

// What comes by a number while contents change hands is done when it is clear whose the number is; what comes by a handle
// does not wait for that, but for the file.
TEST_F(StableNodesTest, NothingIsDoneByANumberInBetween) {
  const HandleId handle = nodes->open(r, a, FsStack::rw())->handle;
  ASSERT_OK(nodes->moves_begin({{a, copy}}));
  auto frozen = stack.backing->open_file(a, false).value()->freeze();
  std::atomic<int> done{0};
  std::jthread cut([&] {
    Request own;
    EXPECT_OK(nodes->set_attributes(own, a, {.size = 1}));
    ++done;
  });
  stack.move_rows(*nodes, a, copy);
  std::jthread reads([&] {
    Request own;
    auto reply = nodes->read(own, handle, 0, 10);
    ASSERT_TRUE(reply.ok()) << reply.error().to_string();
    EXPECT_EQ(reply->length, 4u);
    ++done;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(done, 0);
  ASSERT_OK(stack.backing->move(a, copy));
  frozen.unlock();
  stack.fs->files_moved();   // the first half of what the nodes do
  reads.join();
  EXPECT_EQ(done, 1);
  nodes->files_moved();
  cut.join();
  EXPECT_EQ(stack.content(copy), "m");
  nodes->release(handle);
}

}  // namespace
}  // namespace skymoor::client
