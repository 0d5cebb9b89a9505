// A copy of the state directory at an instant is what kill -9 leaves: everything that returned is in it.
#include <linux/fs.h>

#include "fuse/filesystem/attributes/posix_acl.h"
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class CrashTest : public FsTest {
 protected:
  /// What a new process finds if this one is killed now.
  std::unique_ptr<FsStack> killed() { return started(left_behind()); }
  /// Its two halves: what it left, for a step within an operation, and another process.
  std::string left_behind() {
    std::string copy = dir / ("killed" + std::to_string(++copies_));
    std::filesystem::copy(stack.directory(), copy, std::filesystem::copy_options::recursive);
    // std::filesystem::copy gives new times; a killed process leaves them as they are.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(stack.directory())) {
      struct stat st;
      std::string to = copy + entry.path().string().substr(stack.directory().size());
      if (::stat(entry.path().c_str(), &st) != 0) continue;
      timespec times[2] = {st.st_atim, st.st_mtim};
      ::utimensat(AT_FDCWD, to.c_str(), times, 0);
    }
    return copy;
  }
  std::unique_ptr<FsStack> started(const std::string& copy) {
    auto other = std::make_unique<FsStack>(copy);
    other->options = stack.options;
    other->open();
    return other;
  }
  int copies_ = 0;
};

TEST_F(CrashTest, EverythingThatReturnedIsThere) {
  InodeId sub = stack.mkdir("sub");
  InodeId a = stack.write_file("a", "alpha"), b = stack.write_file("b", "beta", sub);
  ASSERT_OK(stack.rename("a", "moved", 0, kRootInode, sub));
  ASSERT_OK(stack.fs->link(r, b, kRootInode, "hard"));
  ASSERT_OK(stack.fs->make_symlink(r, kRootInode, "soft", "target"));
  ASSERT_OK(stack.fs->set_xattr(r, a, "user.x", as_bytes("value"), 0));
  SetAttributesRequest wanted;
  wanted.mode = 0400;
  wanted.mtime = Timestamp(std::chrono::nanoseconds(123456789));
  ASSERT_OK(stack.fs->set_attributes(r, b, wanted));
  HandleId handle = stack.open_file(a);
  ASSERT_OK(stack.write(handle, 3, "HA!"));
  auto after = killed();
  EXPECT_EQ(after->names(), (std::vector<std::string>{"hard", "soft", "sub"}));
  EXPECT_EQ(after->names(sub), (std::vector<std::string>{"b", "moved"}));
  EXPECT_EQ(after->content(a), "alpHA!");
  EXPECT_EQ(after->node(b).attributes, stack.node(b).attributes);   // reading would move the access time
  EXPECT_EQ(after->content(b), "beta");
  EXPECT_EQ(after->node(b).links, 2u);
  EXPECT_EQ(as_text(after->fs->get_xattr(r, a, "user.x").value()), "value");
  EXPECT_EQ(*after->fs->read_link(r, after->find("soft")->id), "target");
  after->expect_sound();
}

TEST_F(CrashTest, AtEveryStepOfAWorkload) {
  std::map<std::string, std::string> model;
  auto check = [&](int step) {
    auto after = killed();
    std::vector<std::string> names;
    for (auto& [name, bytes] : model) {
      names.push_back(name);
      auto found = after->find(name);
      ASSERT_TRUE(found.ok()) << name << " at step " << step;
      EXPECT_EQ(after->content(found->id), bytes) << name << " at step " << step;
    }
    EXPECT_EQ(after->names(), names) << step;
    after->expect_sound();
  };
  for (int i = 0; i < 12; ++i) {
    std::string name = "f" + std::to_string(i), text(static_cast<std::size_t>(1 + i * 700), static_cast<char>('a' + i));
    stack.write_file(name, text);
    model[name] = text;
    if (i % 3 == 1) {
      std::string old = "f" + std::to_string(i - 1);
      ASSERT_OK(stack.rename(name, old));
      model[old] = model[name];
      model.erase(name);
    }
    if (i % 4 == 3 && model.count(name) != 0) {
      ASSERT_OK(stack.set_size(stack.find(name)->id, 100));
      model[name].resize(100);
      }
    if (i == 7) ASSERT_OK(stack.store->checkpoint());
    check(i);
  }
}

// Several records once: a kill between them left a directory without its lists told, an empty file under the new name.
TEST_F(CrashTest, WhatHasSeveralPartsIsThereWholeOrNotAtAll) {
  const Bytes list = encode_acl(
      {{1, 6, UINT32_MAX}, {2, 7, 1000}, {4, 6, UINT32_MAX}, {0x10, 6, UINT32_MAX}, {0x20, 0, UINT32_MAX}});
  const InodeId d = stack.mkdir("d");
  ASSERT_OK(stack.fs->set_xattr(r, d, kDefaultAclName, list, 0));
  auto unnamed = stack.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw()).value();
  ASSERT_OK(stack.write(unnamed.opened.handle, 0, "written before"));
  InodeId sub;
  SetAttributesRequest closed;
  closed.mode = 0700;
  auto outcome = [](const Result<Node>& node) { return node.ok() ? Status() : Status(node.error()); };
  const std::vector<std::function<Status()>> operations = {
      [&] {
        auto made = stack.fs->make_directory(r, d, "sub", 0777);
        if (made.ok()) sub = made->id;
        return outcome(made);
      },
      [&] { return outcome(stack.fs->link(r, unnamed.node.id, d, "named")); },
      [&] { return outcome(stack.fs->set_attributes(r, sub, closed)); },
      [&] { return stack.fs->set_xattr(r, sub, kAccessAclName, list, 0); }};
  for (const auto& operation : operations) {
    const Lsn before = stack.store->last_lsn();
    std::vector<std::string> left;
    stack.hook = [&](const FaultPoint&) {
      left.push_back(left_behind());
      return 0;
    };
    ASSERT_OK(operation());
    stack.hook = nullptr;
    left.push_back(left_behind());
    ASSERT_GE(left.size(), 2u);
    for (const std::string& copy : left) {
      auto after = started(copy);
      std::size_t made = 0;   // but for the end of what had no name, which the start itself records
      for (const LogRecord& record : after->records(before)) made += !std::holds_alternative<LocalIntent>(record.intent);
      EXPECT_LE(made, 1u);
      if (copy == left.back()) {
        EXPECT_EQ(made, 1u);
      }
      after->expect_sound();
    }
  }
  stack.fs->release(unnamed.opened.handle);
}

TEST_F(CrashTest, OrphansAreGoneAndTheirFilesToo) {
  InodeId a = stack.write_file("a", "x");
  HandleId handle = stack.open_file(a);
  ASSERT_OK(stack.unlink("a"));
  auto unnamed = stack.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw()).value();
  ASSERT_OK(stack.write(unnamed.opened.handle, 0, "tmp"));
  auto after = killed();
  ASSERT_OK(after->backing->sweep([&](InodeId inode) { return after->row(inode).id == inode; }));
  EXPECT_TRUE(after->names().empty());
  EXPECT_EQ(after->backing_files("data"), 0u);
  stack.fs->release(handle);
}

TEST_F(CrashTest, UnseenWritesAreTakenIn) {
  stack.options.passthrough = true;
  stack.reopen();
  InodeId a = stack.write_file("a", "seen"), b = stack.write_file("b", "untouched");
  Opened opened = stack.fs->open(r, a, FsStack::rw()).value(), other = stack.fs->open(r, b, FsStack::rw()).value();
  OpId before = stack.row(b).content;
  ASSERT_TRUE(opened.passthrough);
  ASSERT_EQ(::pwrite(opened.passthrough->fd(), "not seen by the daemon", 22, 0), 22);
  auto after = killed();
  EXPECT_EQ(after->content(a), "not seen by the daemon");
  EXPECT_TRUE(after->content_row(a).dirty.contains({0, 22}));
  EXPECT_EQ(after->row(b).content, before);
  EXPECT_TRUE(after->backing->unseen_inodes().empty());
  after->expect_sound();
}

// Bytes went to the backing file, the record did not: the file is as it was, and growing it shows zeros.
TEST_F(CrashTest, AWriteThatDidNotReturnMayBeLostButLeavesNothingBehind) {
  InodeId a = stack.write_file("a", "kept");
  HandleId handle = stack.open_file(a);
  std::unique_ptr<FsStack> after;
  auto source = [&](int fd, std::uint64_t at) -> Result<std::size_t> {
    EXPECT_EQ(::pwrite(fd, "unfinished", 10, static_cast<off_t>(at)), 10);
    after = killed();
    return std::size_t{10};
  };
  ASSERT_OK(stack.fs->write(r, handle, 4, 10, source));
  EXPECT_EQ(after->content(a), "kept");
  ASSERT_OK(after->set_size(a, 8));
  EXPECT_EQ(after->content(a), std::string("kept\0\0\0\0", 8));
}

// Power cut: only what was synced is on the disk. Backing files lose unsynced bytes, the log keeps what it synced.
TEST_F(CrashTest, ASmallSyncLogsTheBytesThemselves) {
  stack.reopen();   // what the tables were made with is on the disk
  int log_syncs = 0, data_syncs = 0;
  stack.hook = [&](const FaultPoint& point) {
    if (point.name == "file.sync") (point.detail.find("/backing/") != point.detail.npos ? data_syncs : log_syncs)++;
    return 0;
  };
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "one"));
  ASSERT_OK(stack.write(made.opened.handle, 10, "two"));
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, false));
  EXPECT_EQ(data_syncs, 0);
  EXPECT_EQ(log_syncs, 1);
  stack.hook = nullptr;
  std::string copy = dir / "power-cut";
  std::filesystem::copy(stack.directory(), copy, std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy + "/data/backing"))
    if (entry.is_regular_file()) std::filesystem::resize_file(entry.path(), 0);
  FsStack after(copy);
  ASSERT_NO_FATAL_FAILURE(after.open());
  EXPECT_EQ(after.content(made.node.id), std::string("one\0\0\0\0\0\0\0two", 13));
}

TEST_F(CrashTest, WhatIsNotPlainSmallWritingIsSyncedWhereItIs) {
  int data_syncs = 0;
  stack.hook = [&](const FaultPoint& point) {
    data_syncs += point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos;
    return 0;
  };
  auto made = stack.create("a");
  HandleId handle = made.opened.handle;
  auto sync = [&] {
    int before = data_syncs;
    EXPECT_OK(stack.fs->sync_file(r, handle, false));
    return data_syncs - before;
  };
  ASSERT_OK(stack.write(handle, 0, std::string(100000, 'x')));
  EXPECT_EQ(sync(), 1);   // too much to log
  EXPECT_EQ(sync(), 0);   // nothing new
  ASSERT_OK(stack.write(handle, 5, "small"));
  EXPECT_EQ(sync(), 0);   // logged
  ASSERT_OK(stack.set_size(made.node.id, 50));
  EXPECT_EQ(sync(), 1);   // a cut
  for (std::uint64_t i = 0; i < 100; ++i) ASSERT_OK(stack.write(handle, i * 100, "y"));
  EXPECT_EQ(sync(), 1);   // too many pieces
  stack.fs->release(handle);
  handle = stack.open_file(made.node.id);
  ASSERT_OK(stack.write(handle, 5, "small"));
  EXPECT_EQ(sync(), 1);   // what the file held when it was opened may be unsynced
}

}  // namespace
}  // namespace skymoor::client
