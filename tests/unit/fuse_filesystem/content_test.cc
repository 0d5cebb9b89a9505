// Bytes: read, write, append, truncate, fallocate, copy_file_range, lseek.
#include <linux/falloc.h>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class ContentTest : public FsTest {
 protected:
  ContentTest() : on_disk(skymoor::testing::TempDir::disk_directory()) {}
  skymoor::testing::TempDir on_disk;
};

TEST_F(ContentTest, WhatWasWrittenIsRead) {
  auto made = stack.create("a");
  EXPECT_EQ(stack.write(made.opened.handle, 0, "hello world").value(), 11u);
  EXPECT_EQ(*stack.read(made.opened.handle), "hello world");
  EXPECT_EQ(*stack.read(made.opened.handle, 6, 3), "wor");
  EXPECT_EQ(*stack.read(made.opened.handle, 6, 100), "world");
  EXPECT_EQ(*stack.read(made.opened.handle, 11, 1), "");
  EXPECT_EQ(*stack.read(made.opened.handle, 1u << 30, 1), "");
  EXPECT_EQ(stack.node(made.node.id).attributes.size, 11u);
}

TEST_F(ContentTest, AWriteNamesTheContentAndMovesTheTimes) {
  auto made = stack.create("a");
  EXPECT_EQ(stack.row(made.node.id).content, OpId{});
  ASSERT_OK(stack.write(made.opened.handle, 0, "one"));
  OpId first = stack.row(made.node.id).content;
  EXPECT_EQ(first.writer, WriterId{7});
  EXPECT_EQ(first.counter, stack.store->last_lsn().value);
  Attributes before = stack.node(made.node.id).attributes;
  ASSERT_OK(stack.write(made.opened.handle, 0, "two"));
  EXPECT_EQ(std::get<WriteIntent>(stack.records().back().intent).seen, first);
  Attributes after = stack.node(made.node.id).attributes;
  EXPECT_GT(after.mtime, before.mtime);
  EXPECT_EQ(after.mtime, after.ctime);
  EXPECT_EQ(after.atime, before.atime);
}

TEST_F(ContentTest, ASparseWriteLeavesZerosBehind) {
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 10, "x"));
  EXPECT_EQ(*stack.read(made.opened.handle), std::string(10, '\0') + "x");
  ContentRow row = stack.content_row(made.node.id);
  EXPECT_TRUE(row.valid.contains({0, 11}));
  EXPECT_TRUE(row.dirty.contains({0, 11}));
}

TEST_F(ContentTest, HandlesSayWhatTheyMay) {
  InodeId a = stack.write_file("a", "x");
  HandleId reader = stack.open_file(a, FsStack::ro()), writer = stack.open_file(a, {.read = false, .write = true});
  EXPECT_CODE(stack.write(reader, 0, "y"), Code::kBadHandle);
  EXPECT_CODE(stack.read(writer), Code::kBadHandle);
  stack.fs->release(reader);
  EXPECT_CODE(stack.read(reader), Code::kBadHandle);
  stack.fs->release(reader);
  HandleId again = stack.open_file(a, FsStack::ro());
  EXPECT_NE(again, reader);
}

TEST_F(ContentTest, AppendsGoToTheEnd) {
  InodeId a = stack.write_file("a", "12");
  HandleId one = stack.open_file(a, {.write = true, .append = true}), two = stack.open_file(a);
  ASSERT_OK(stack.write(one, 0, "34"));
  ASSERT_OK(stack.write(two, 4, "56"));
  ASSERT_OK(stack.write(one, 0, "78"));
  EXPECT_EQ(*stack.read(one), "12345678");
}

/// The kernel writes them back through whatever descriptor it has, one with O_APPEND too.
TEST_F(ContentTest, PagesOfAMappingKeepTheirPlaceThoughTheirHandleAppends) {
  InodeId a = stack.write_file("a", "1234");
  HandleId one = stack.open_file(a, {.write = true, .append = true});
  Request pages;
  pages.of_pages = true;
  ASSERT_OK(stack.fs->write(pages, one, 1, 2, [](int fd, std::uint64_t at) -> Result<std::size_t> {
    return ::pwrite(fd, "xy", 2, static_cast<off_t>(at)) == 2 ? Result<std::size_t>(2) : Error(Code::kIo, "pwrite");
  }));
  EXPECT_EQ(*stack.read(one), "1xy4");
}

TEST_F(ContentTest, SizesEndAtTheLargestFile) {
  auto made = stack.create("a");
  EXPECT_CODE(stack.write(made.opened.handle, kMaxFileBytes, "x"), Code::kFileTooLarge);
  EXPECT_CODE(stack.set_size(made.node.id, kMaxFileBytes + 1), Code::kFileTooLarge);
  EXPECT_CODE(stack.fs->allocate(r, made.opened.handle, 0, kMaxFileBytes, 1), Code::kFileTooLarge);
}

TEST_F(ContentTest, TruncateCutsAndGrowsWithZeros) {
  InodeId a = stack.write_file("a", "hello world");
  ASSERT_OK(stack.set_size(a, 5));
  EXPECT_EQ(stack.content(a), "hello");
  EXPECT_TRUE(stack.content_row(a).valid.missing({0, 5}).empty());
  EXPECT_FALSE(stack.content_row(a).valid.intersects({5, 100}));
  ASSERT_OK(stack.set_size(a, 8));
  EXPECT_EQ(stack.content(a), std::string("hello\0\0\0", 8));
  ASSERT_OK(stack.set_size(a, 0));
  EXPECT_EQ(stack.content(a), "");
  EXPECT_CODE(stack.set_size(stack.mkdir("d"), 0), Code::kIsDirectory);
  stack.expect_sound();
}

TEST_F(ContentTest, OpenWithTruncateEmptiesTheFile) {
  InodeId a = stack.write_file("a", "hello");
  OpenFlags flags = FsStack::rw();
  flags.truncate = true;
  HandleId handle = stack.open_file(a, flags);
  EXPECT_EQ(stack.node(a).attributes.size, 0u);
  ASSERT_OK(stack.write(handle, 2, "x"));
  EXPECT_EQ(*stack.read(handle), std::string("\0\0x", 3));
}

TEST_F(ContentTest, KeepingTheSizeMovesOnlyTheTimes) {
  InodeId a = stack.write_file("a", "hello");
  OpId content = stack.row(a).content;
  Timestamp before = stack.node(a).attributes.mtime;
  ASSERT_OK(stack.set_size(a, 5));
  EXPECT_EQ(stack.row(a).content, content);
  EXPECT_GT(stack.node(a).attributes.mtime, before);
}

// Bytes beyond the end (a write that failed, a crash before the record) must not show when the file grows.
TEST_F(ContentTest, BytesBeyondTheEndNeverShow) {
  InodeId a = stack.write_file("a", "hello");
  {
    auto file = stack.backing->open_file(a, false).value();
    ASSERT_OK(file->file().write_at(5, as_bytes("GARBAGE")));
  }
  HandleId handle = stack.open_file(a);
  ASSERT_OK(stack.write(handle, 8, "x"));
  EXPECT_EQ(*stack.read(handle), std::string("hello\0\0\0x", 9));
}

TEST_F(ContentTest, AFailedWriteLeavesTheSizeAndReportsTheError) {
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "hello"));
  auto failing = [&](int fd, std::uint64_t at) -> Result<std::size_t> {
    EXPECT_EQ(::pwrite(fd, "XYZ", 3, static_cast<off_t>(at)), 3);
    return Error::from_errno(ENOSPC, "pwrite");
  };
  EXPECT_CODE(stack.fs->write(r, made.opened.handle, 4, 10, failing), Code::kNoSpace);
  EXPECT_EQ(stack.node(made.node.id).attributes.size, 5u);
  ASSERT_OK(stack.set_size(made.node.id, 8));
  EXPECT_EQ(*stack.read(made.opened.handle), std::string("hellX\0\0\0", 8));
}

TEST_F(ContentTest, RandomWritesKeepTheDirtyListShort) {
  auto made = stack.create("a");
  ASSERT_OK(stack.set_size(made.node.id, 4u << 20));
  for (std::uint64_t i = 0; i < 64; ++i) ASSERT_OK(stack.write(made.opened.handle, i * 65536 + 5000, "x"));
  EXPECT_LE(stack.content_row(made.node.id).dirty.size(), 2u);
}

TEST_F(ContentTest, AllocateReservesGrowsPunchesAndZeroes) {
  FsStack disk_stack(on_disk / "mount");
  ASSERT_NO_FATAL_FAILURE(disk_stack.open());
  auto made = disk_stack.create("a");
  HandleId handle = made.opened.handle;
  ASSERT_OK(disk_stack.write(handle, 0, std::string(16384, 'a')));
  ASSERT_OK(disk_stack.fs->allocate(r, handle, FALLOC_FL_KEEP_SIZE, 0, 1u << 20));
  EXPECT_EQ(disk_stack.node(made.node.id).attributes.size, 16384u);
  EXPECT_GE(disk_stack.node(made.node.id).allocated_bytes, 1u << 20);
  ASSERT_OK(disk_stack.fs->allocate(r, handle, 0, 0, 20000));
  EXPECT_EQ(disk_stack.node(made.node.id).attributes.size, 20000u);
  ASSERT_OK(disk_stack.fs->allocate(r, handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
  ASSERT_OK(disk_stack.fs->allocate(r, handle, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 12288, 100));
  std::string expected = std::string(4096, 'a') + std::string(4096, '\0') + std::string(4096, 'a') +
                         std::string(100, '\0') + std::string(3996, 'a') + std::string(3616, '\0');
  EXPECT_EQ(*disk_stack.read(handle), expected);
  ASSERT_OK(disk_stack.fs->allocate(r, handle, FALLOC_FL_ZERO_RANGE, 19000, 2000));
  EXPECT_EQ(disk_stack.node(made.node.id).attributes.size, 21000u);
  EXPECT_CODE(disk_stack.fs->allocate(r, handle, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), Code::kNotSupported);
  EXPECT_CODE(disk_stack.fs->allocate(r, handle, FALLOC_FL_INSERT_RANGE, 0, 4096), Code::kNotSupported);
  EXPECT_CODE(disk_stack.fs->allocate(r, handle, FALLOC_FL_PUNCH_HOLE, 0, 4096), Code::kNotSupported);
  EXPECT_CODE(disk_stack.fs->allocate(r, handle, 0, 0, 0), Code::kInvalidArgument);
  disk_stack.expect_sound();
}

TEST_F(ContentTest, CopyRangeCopiesBetweenAndWithinFiles) {
  InodeId a = stack.write_file("a", "0123456789");
  HandleId from = stack.open_file(a), to = stack.create("b").opened.handle;
  EXPECT_EQ(stack.fs->copy_range(r, from, 2, to, 3, 5).value(), 5u);
  EXPECT_EQ(*stack.read(to), std::string("\0\0\0") + std::string(3, '\0') + "23456");
  EXPECT_EQ(stack.fs->copy_range(r, from, 8, to, 0, 100).value(), 2u);
  EXPECT_EQ(stack.fs->copy_range(r, from, 10, to, 0, 100).value(), 0u);
  EXPECT_EQ(stack.fs->copy_range(r, from, 0, from, 10, 10).value(), 10u);
  EXPECT_EQ(*stack.read(from), "01234567890123456789");
  EXPECT_CODE(stack.fs->copy_range(r, from, 0, from, 5, 10), Code::kInvalidArgument);
  HandleId reader = stack.open_file(a, FsStack::ro());
  EXPECT_CODE(stack.fs->copy_range(r, from, 0, reader, 0, 1), Code::kBadHandle);
}

TEST_F(ContentTest, SeekFindsDataAndHoles) {
  auto made = stack.create("a");
  HandleId handle = made.opened.handle;
  ASSERT_OK(stack.set_size(made.node.id, 1u << 20));
  ASSERT_OK(stack.write(handle, 256 * 1024, std::string(4096, 'x')));
  EXPECT_EQ(stack.fs->seek(r, handle, 0, SEEK_DATA).value(), 256u * 1024);
  EXPECT_EQ(stack.fs->seek(r, handle, 0, SEEK_HOLE).value(), 0u);
  EXPECT_EQ(stack.fs->seek(r, handle, 256 * 1024, SEEK_HOLE).value(), 256u * 1024 + 4096);
  EXPECT_CODE(stack.fs->seek(r, handle, 512 * 1024, SEEK_DATA), Code::kNoDevice);
  EXPECT_EQ(stack.fs->seek(r, handle, 512 * 1024, SEEK_HOLE).value(), 512u * 1024);
  EXPECT_CODE(stack.fs->seek(r, handle, 1u << 20, SEEK_DATA), Code::kNoDevice);
  EXPECT_CODE(stack.fs->seek(r, handle, 0, SEEK_SET), Code::kInvalidArgument);
  HandleId full = stack.open_file(stack.write_file("b", "abc"));
  EXPECT_EQ(stack.fs->seek(r, full, 0, SEEK_HOLE).value(), 3u);
}

TEST_F(ContentTest, SparseFilesShowWhatTheyTake) {
  auto made = stack.create("a");
  ASSERT_OK(stack.set_size(made.node.id, 1u << 20));
  ASSERT_OK(stack.write(made.opened.handle, 0, std::string(4096, 'x')));
  EXPECT_EQ(stack.node(made.node.id).allocated_bytes, 4096u);
  stack.fs->release(made.opened.handle);
  EXPECT_EQ(stack.node(made.node.id).allocated_bytes, 4096u);
}

TEST_F(ContentTest, WritesByOthersTakePrivilegesAway) {
  InodeId a = stack.write_file("a", "x");
  SetAttributesRequest wanted;
  wanted.mode = 06755;
  ASSERT_OK(stack.fs->set_attributes(r, a, wanted));
  ASSERT_OK(stack.fs->set_xattr(r, a, "security.capability", as_bytes("caps"), 0));
  HandleId handle = stack.open_file(a);
  ASSERT_OK(stack.write(handle, 0, "y", 0));
  EXPECT_EQ(stack.node(a).attributes.mode, 06755u);
  EXPECT_CODE(stack.fs->get_xattr(r, a, "security.capability"), Code::kNoAttribute);
  ASSERT_OK(stack.write(handle, 0, "z", 1000));
  EXPECT_EQ(stack.node(a).attributes.mode, 0755u);
  wanted.mode = 02744;   // no group execute: not a privilege
  ASSERT_OK(stack.fs->set_attributes(r, a, wanted));
  ASSERT_OK(stack.write(handle, 0, "z", 1000));
  EXPECT_EQ(stack.node(a).attributes.mode, 02744u);
}

// The kernel leaves it to us (FUSE_HANDLE_KILLPRIV_V2), and must hear of it: it goes on by the mode it knows.
TEST_F(ContentTest, WhoeverTakesPrivilegesAwayIsToldToForgetTheMode) {
  InodeId a = stack.write_file("a", "text");
  auto set_ids = [&] {
    SetAttributesRequest wanted;
    wanted.mode = 06755;
    EXPECT_OK(stack.fs->set_attributes(r, a, wanted));
  };
  auto nothing = [](int, std::uint64_t) -> Result<std::size_t> { return std::size_t{1}; };
  HandleId handle = stack.open_file(a);
  Request root, other{.uid = 1000}, again{.uid = 1000}, allocates{.uid = 1000}, opens{.uid = 1000}, cuts{.uid = 1000};
  set_ids();
  ASSERT_OK(stack.fs->write(root, handle, 0, 1, nothing));
  EXPECT_FALSE(root.stale);
  ASSERT_OK(stack.fs->write(other, handle, 0, 1, nothing));
  EXPECT_EQ(other.stale, a);
  ASSERT_OK(stack.fs->write(again, handle, 0, 1, nothing));
  EXPECT_FALSE(again.stale);
  set_ids();
  ASSERT_OK(stack.fs->allocate(allocates, handle, 0, 100, 100));
  EXPECT_EQ(allocates.stale, a);
  set_ids();
  auto opened = stack.fs->open(opens, a, {.write = true, .truncate = true});
  ASSERT_OK(opened);
  EXPECT_EQ(opens.stale, a);
  set_ids();
  SetAttributesRequest wanted;
  wanted.size = 3;
  ASSERT_OK(stack.fs->set_attributes(cuts, a, wanted));
  EXPECT_EQ(stack.node(a).attributes.mode, 0755u);
}

TEST_F(ContentTest, OpenFilesAreBounded) {
  stack.options.max_handles = 3;
  stack.reopen();
  InodeId a = stack.touch("a");
  std::vector<HandleId> handles;
  for (int i = 0; i < 3; ++i) handles.push_back(stack.open_file(a));
  EXPECT_CODE(stack.fs->open(r, a, {}), Code::kTooManyOpenFiles);
  EXPECT_CODE(stack.fs->create(r, kRootInode, "b", 0600, {}), Code::kTooManyOpenFiles);
  EXPECT_CODE(stack.find("b"), Code::kNotFound);
  stack.fs->release(handles[0]);
  EXPECT_OK(stack.fs->open(r, a, {}));
}

}  // namespace
}  // namespace skymoor::client
