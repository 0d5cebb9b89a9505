#include <linux/fs.h>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

using RenameTest = FsTest;

TEST_F(RenameTest, MovesAndStamps) {
  InodeId sub = stack.mkdir("sub"), a = stack.write_file("a", "1");
  Attributes before = stack.node(a).attributes;
  ASSERT_OK(stack.rename("a", "b", 0, kRootInode, sub));
  EXPECT_CODE(stack.find("a"), Code::kNotFound);
  EXPECT_EQ(stack.find("b", sub)->id, a);
  Attributes after = stack.node(a).attributes;
  EXPECT_GT(after.ctime, before.ctime);
  EXPECT_EQ(after.mtime, before.mtime);
  EXPECT_EQ(stack.row(a).parent, sub);
  EXPECT_GE(stack.node(sub).attributes.mtime, after.ctime);
  EXPECT_CODE(stack.rename("nothing", "x"), Code::kNotFound);
  EXPECT_CODE(stack.rename("sub", ".."), Code::kInvalidArgument);
}

TEST_F(RenameTest, DirectoriesTakeTheirLinkAlong) {
  InodeId a = stack.mkdir("a"), b = stack.mkdir("b");
  stack.mkdir("d", a);
  ASSERT_OK(stack.rename("d", "d2", 0, a, b));
  EXPECT_EQ(stack.node(a).links, 2u);
  EXPECT_EQ(stack.node(b).links, 3u);
  EXPECT_EQ(stack.find("..", stack.find("d2", b)->id)->id, b);
  ASSERT_OK(stack.rename("d2", "d3", 0, b, b));
  EXPECT_EQ(stack.node(b).links, 3u);
  stack.expect_sound();
}

TEST_F(RenameTest, ReplacesAFileThatStaysOpen) {
  InodeId b = stack.write_file("b", "old"), a = stack.write_file("a", "new");
  HandleId handle = stack.open_file(b);
  ASSERT_OK(stack.rename("a", "b"));
  EXPECT_EQ(stack.find("b")->id, a);
  EXPECT_EQ(stack.content(a), "new");
  EXPECT_EQ(*stack.read(handle), "old");
  EXPECT_EQ(stack.node(b).links, 0u);
  stack.fs->release(handle);
  stack.fs->forget(b);
  EXPECT_CODE(stack.fs->get_attributes(r, b), Code::kStale);
  auto records = stack.records();
  auto& intent = std::get<RenameIntent>(records[records.size() - 2].intent);
  EXPECT_EQ(intent.replaced, b);
  EXPECT_TRUE(intent.replaced_last);
  EXPECT_NE(intent.seen, OpId{});
  EXPECT_NE(intent.replaced_seen, OpId{});
  stack.expect_sound();
}

TEST_F(RenameTest, TypesMustAgree) {
  InodeId full = stack.mkdir("full");
  stack.touch("x", full);
  stack.mkdir("empty");
  stack.mkdir("d");
  stack.touch("f");
  EXPECT_CODE(stack.rename("f", "d"), Code::kIsDirectory);
  EXPECT_CODE(stack.rename("d", "f"), Code::kNotDirectory);
  EXPECT_CODE(stack.rename("d", "full"), Code::kNotEmpty);
  ASSERT_OK(stack.rename("d", "empty"));
  EXPECT_EQ(stack.node(kRootInode).links, 4u);
  stack.expect_sound();
}

TEST_F(RenameTest, ADirectoryCannotGoIntoItself) {
  InodeId a = stack.mkdir("a"), b = stack.mkdir("b", a), c = stack.mkdir("c", b);
  EXPECT_CODE(stack.rename("a", "x", 0, kRootInode, a), Code::kInvalidArgument);
  EXPECT_CODE(stack.rename("a", "x", 0, kRootInode, c), Code::kInvalidArgument);
  EXPECT_CODE(stack.rename("a", "c", RENAME_EXCHANGE, kRootInode, b), Code::kInvalidArgument);
  EXPECT_CODE(stack.rename("c", "a", 0, b, kRootInode), Code::kNotEmpty);
}

TEST_F(RenameTest, TwoNamesOfOneFileStay) {
  InodeId a = stack.touch("a");
  ASSERT_OK(stack.fs->link(r, a, kRootInode, "b"));
  Lsn before = stack.store->last_lsn();
  ASSERT_OK(stack.rename("a", "b"));
  EXPECT_EQ(stack.store->last_lsn(), before);
  EXPECT_EQ(stack.names(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(RenameTest, NoReplaceKeepsTheTarget) {
  stack.touch("a");
  stack.touch("b");
  EXPECT_CODE(stack.rename("a", "b", RENAME_NOREPLACE), Code::kAlreadyExists);
  ASSERT_OK(stack.rename("a", "c", RENAME_NOREPLACE));
}

TEST_F(RenameTest, ExchangeSwaps) {
  InodeId d = stack.mkdir("d"), sub = stack.mkdir("sub"), f = stack.touch("f", sub);
  ASSERT_OK(stack.rename("d", "f", RENAME_EXCHANGE, kRootInode, sub));
  EXPECT_EQ(stack.find("d")->id, f);
  EXPECT_EQ(stack.find("f", sub)->id, d);
  EXPECT_EQ(stack.node(kRootInode).links, 3u);
  EXPECT_EQ(stack.node(sub).links, 3u);
  EXPECT_EQ(stack.row(d).parent, sub);
  EXPECT_CODE(stack.rename("d", "none", RENAME_EXCHANGE), Code::kNotFound);
  EXPECT_CODE(stack.rename("d", "sub", RENAME_EXCHANGE | RENAME_NOREPLACE), Code::kInvalidArgument);
  EXPECT_CODE(stack.rename("d", "x", RENAME_WHITEOUT), Code::kInvalidArgument);
  stack.expect_sound();
}

}  // namespace
}  // namespace skymoor::client
