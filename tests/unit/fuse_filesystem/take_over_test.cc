// Another process goes on with a live mount: the test plays the kernel, which keeps handles and backing files.
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class TakeOverTest : public FsTest {
 protected:
  void SetUp() override {
    stack.options.passthrough = true;
    stack.open();
  }
  /// The handover list's entry of an open file.
  static OpenBefore before(const Opened& opened, InodeId inode, OpenFlags flags = FsStack::rw()) {
    return {opened.handle, inode, flags.read, flags.write, flags.append, flags.sync, opened.passthrough != nullptr,
            opened.unnamed, opened.failed};
  }
  void take_over(std::vector<OpenBefore> open) {
    stack.options.open_before = std::move(open);
    stack.reopen();
  }
  Opened open(InodeId inode, OpenFlags flags = FsStack::rw()) {
    auto opened = stack.fs->open(r, inode, flags);
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return opened.ok() ? std::move(opened).value() : Opened{};
  }
};

TEST_F(TakeOverTest, OpenFilesKeepTheirHandles) {
  auto first = stack.create("a"), second = stack.create("b"), third = stack.create("c");
  EXPECT_OK(stack.write(third.opened.handle, 0, "third"));
  stack.fs->release(second.opened.handle);
  take_over({before(first.opened, first.node.id), before(third.opened, third.node.id)});
  EXPECT_OK(stack.write(first.opened.handle, 0, "first"));
  EXPECT_EQ(stack.read(third.opened.handle).value_or(""), "third");
  EXPECT_CODE(stack.write(second.opened.handle, 0, "x"), Code::kBadHandle);
  // New handles go between them, and never take a number that is in use.
  for (const char* name : {"d", "e", "f"}) {
    auto made = stack.create(name);
    EXPECT_NE(made.opened.handle, first.opened.handle);
    EXPECT_NE(made.opened.handle, third.opened.handle);
  }
  stack.fs->release(first.opened.handle);
  EXPECT_CODE(stack.write(first.opened.handle, 0, "x"), Code::kBadHandle);
  EXPECT_EQ(stack.content(first.node.id), "first");
  stack.expect_sound();
}

/// A release may come a second time, and a program may hold a handle that could not be restored.
TEST_F(TakeOverTest, HandlesOfBeforeAreNeverGivenOutAnew) {
  auto first = stack.create("a"), second = stack.create("b");
  take_over({before(second.opened, second.node.id)});
  auto third = stack.create("c"), fourth = stack.create("d");
  EXPECT_NE(third.opened.handle, first.opened.handle);
  EXPECT_NE(fourth.opened.handle, first.opened.handle);
  stack.fs->release(first.opened.handle);
  EXPECT_OK(stack.write(third.opened.handle, 0, "x"));
  EXPECT_OK(stack.write(fourth.opened.handle, 0, "x"));
}

TEST_F(TakeOverTest, AFailedSyncStaysFailed) {
  std::vector<HandleId> told;
  stack.options.sync_failed = [&](HandleId handle) { told.push_back(handle); };
  stack.options.passthrough = stack.options.log_small_syncs = false;
  stack.reopen();
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "x"));
  Opened other = open(made.node.id);
  stack.hook = [](const FaultPoint& point) {
    return point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos ? EIO : 0;
  };
  EXPECT_CODE(stack.fs->sync_file(r, made.opened.handle, false), Code::kIo);
  stack.hook = nullptr;
  EXPECT_EQ(told, (std::vector<HandleId>{made.opened.handle, other.handle}));
  Opened later = open(made.node.id);
  EXPECT_TRUE(later.failed);
  take_over({before(later, made.node.id)});
  EXPECT_CODE(stack.fs->sync_file(r, later.handle, false), Code::kIo);
  EXPECT_CODE(stack.fs->flush(r, later.handle), Code::kIo);
  stack.fs->release(later.handle);
  Opened fresh = open(made.node.id);
  EXPECT_FALSE(fresh.failed);
  EXPECT_OK(stack.fs->sync_file(r, fresh.handle, false));
}

TEST_F(TakeOverTest, AHandleOfNothingIsDropped) {
  take_over({{HandleId{1ull << 32 | 3}, InodeId{4711}}});
  EXPECT_CODE(stack.write(HandleId{1ull << 32 | 3}, 0, "x"), Code::kBadHandle);
  auto made = stack.create("a");
  EXPECT_OK(stack.write(made.opened.handle, 0, "x"));
}

TEST_F(TakeOverTest, WhatTheKernelWritesMeanwhileIsNoticed) {
  InodeId a = stack.write_file("a", "before");
  Opened opened = open(a);
  ASSERT_TRUE(opened.passthrough);
  UniqueFd kernels(::dup(opened.passthrough->fd()));
  const OpenBefore entry = before(opened, a);
  opened.passthrough.reset();
  ASSERT_EQ(::pwrite(kernels.get(), "written late", 12, 0), 12);
  take_over({entry});
  EXPECT_EQ(stack.node(a).attributes.size, 12u);
  ASSERT_EQ(::pwrite(kernels.get(), " and later", 10, 12), 10);
  EXPECT_EQ(stack.node(a).attributes.size, 22u);
  // The kernel refuses to mix: a file that it writes itself stays in that mode.
  Opened reader = open(a, FsStack::ro());
  EXPECT_TRUE(reader.passthrough);
  reader.passthrough.reset();
  stack.fs->release(reader.handle);
  ASSERT_EQ(::pwrite(kernels.get(), "!", 1, 22), 1);
  stack.fs->release(entry.handle);
  EXPECT_EQ(stack.content(a), "written late and later!");
  stack.expect_sound();
}

TEST_F(TakeOverTest, ARepeatedAppendStaysInPlace) {
  OpenFlags flags = FsStack::rw();
  flags.append = true;
  auto made = stack.create("log", kRootInode, flags);
  EXPECT_OK(stack.write(made.opened.handle, 0, "one\n"));
  EXPECT_OK(stack.write(made.opened.handle, 4, "two\n"));   // its answer got lost
  take_over({before(made.opened, made.node.id, flags)});
  Request again{.number = 1ull << 63 | 8};
  EXPECT_OK(stack.fs->write(again, made.opened.handle, 4, 4, [](int fd, std::uint64_t at) -> Result<std::size_t> {
    return static_cast<std::size_t>(::pwrite(fd, "two\n", 4, static_cast<off_t>(at)));
  }));
  EXPECT_OK(stack.write(made.opened.handle, 8, "three\n"));
  EXPECT_EQ(stack.content(made.node.id), "one\ntwo\nthree\n");
}

TEST_F(TakeOverTest, NamelessFilesStayUntilTheKernelForgetsThem) {
  auto made = stack.create("a");
  EXPECT_OK(stack.write(made.opened.handle, 0, "kept"));
  EXPECT_OK(stack.unlink("a"));
  auto forgotten = stack.create("b");
  EXPECT_OK(stack.unlink("b"));
  stack.fs->release(forgotten.opened.handle);
  take_over({before(made.opened, made.node.id)});
  EXPECT_EQ(stack.read(made.opened.handle).value_or(""), "kept");
  stack.fs->forget(forgotten.node.id);
  EXPECT_CODE(stack.fs->get_attributes(r, forgotten.node.id), Code::kStale);
  stack.fs->forget(made.node.id);
  EXPECT_EQ(stack.read(made.opened.handle).value_or(""), "kept");
  stack.fs->release(made.opened.handle);
}

// The process that came after answered ENOENT: it took the file for one that was unlinked.
TEST_F(TakeOverTest, AnUnnamedFileCanStillGetItsName) {
  OpenFlags exclusive = FsStack::rw();
  exclusive.exclusive = true;
  auto made = stack.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw()).value();
  auto never = stack.fs->create_unnamed(r, kRootInode, 0600, exclusive).value();
  EXPECT_OK(stack.write(made.opened.handle, 0, "kept"));
  take_over({before(made.opened, made.node.id), before(never.opened, never.node.id)});
  EXPECT_OK(stack.fs->link(r, made.node.id, kRootInode, "named"));
  EXPECT_CODE(stack.fs->link(r, never.node.id, kRootInode, "never"), Code::kNotFound);
  take_over({before(made.opened, made.node.id)});   // whose entry still says that it has no name
  EXPECT_EQ(stack.content(made.node.id), "kept");
  EXPECT_OK(stack.fs->link(r, made.node.id, kRootInode, "second"));
  stack.fs->release(made.opened.handle);
  EXPECT_EQ(stack.names(), (std::vector<std::string>{"named", "second"}));
  stack.expect_sound();
}

TEST_F(TakeOverTest, RecordsAboutNamesAreToldBefore) {
  std::vector<Lsn> told;
  stack.options.before_commit = [&](Lsn lsn) { told.push_back(lsn); };
  stack.reopen();
  auto made = stack.create("a");
  EXPECT_OK(stack.write(made.opened.handle, 0, "not about names"));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(made.node.id, make_inode_id(WriterId{7}, told[0].value));
  EXPECT_OK(stack.rename("a", "b"));
  EXPECT_OK(stack.unlink("b"));
  EXPECT_EQ(told.size(), 3u);
}

}  // namespace
}  // namespace skymoor::client
