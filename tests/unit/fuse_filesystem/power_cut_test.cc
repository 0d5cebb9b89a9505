// Power cuts: only what was synced is on the disk, and in it is everything that an fsync answered for.
#include <fstream>

#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

/// Each value that a byte may have: what was synced, or what was written since.
using Bytewise = std::vector<std::set<char>>;
using Promised = std::map<std::string, Bytewise>;

/// Keeps what the disk holds of log segments and backing files, and copies of the state as power cuts would leave it: one
/// before each step that makes something durable.
class PowerCutTest : public FsTest {
 protected:
  void SetUp() override {
    stack.boot_id = "first boot";
    stack.open();
    ASSERT_TRUE(stack.store->sync(stack.store->last_lsn()).ok());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(stack.directory()))
      if (entry.is_regular_file()) keep(entry.path());
    stack.hook = [this](const FaultPoint& point) { return step(point); };
  }

  static bool is_ours(const std::string& path) {
    return path.find("/backing/") != path.npos || path.find("/log-") != path.npos || path.ends_with("/unseen") ||
           path.ends_with("/vouching");
  }
  void keep(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (in) disk_[path] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  int step(const FaultPoint& point) {
    if (point.name != "file.sync" && point.name != "journal.checkpoint_commit" && point.name != "disk.sync_directory" &&
        point.name != "backing.sync_all")
      return 0;
    cut();
    if (point.name == "file.sync") keep(std::string(point.detail));
    if (point.name == "backing.sync_all")
      for (const auto& entry : std::filesystem::recursive_directory_iterator(stack.directory() + "/data/backing"))
        if (entry.is_regular_file()) keep(entry.path());
    return 0;
  }
  /// The state as the disk has it: of log and backing files what was synced. SQLite's files are taken as they are.
  void cut() {
    std::string copy = dir / ("cut" + std::to_string(cuts_.size()));
    std::filesystem::copy(stack.directory(), copy, std::filesystem::copy_options::recursive);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
      if (!entry.is_regular_file() || !is_ours(entry.path())) continue;
      auto synced = disk_.find(stack.directory() + entry.path().string().substr(copy.size()));
      std::filesystem::resize_file(entry.path(), 0);
      if (synced != disk_.end()) std::ofstream(entry.path(), std::ios::binary) << synced->second;
    }
    cuts_.push_back({copy, promised_});
  }

  void write(HandleId handle, const std::string& name, std::size_t at, const std::string& text) {
    ASSERT_OK(stack.write(handle, at, text));
    Bytewise& bytes = written_[name];
    if (bytes.size() < at + text.size()) bytes.resize(at + text.size(), {'\0'});
    for (std::size_t i = 0; i < text.size(); ++i) bytes[at + i] = {text[i]};
    // Promised bytes may now be the new ones, too.
    auto known = promised_.find(name);
    if (known == promised_.end()) return;
    for (std::size_t i = 0; i < text.size() && at + i < known->second.size(); ++i) known->second[at + i].insert(text[i]);
  }
  void sync(HandleId handle, const std::string& name) {
    ASSERT_OK(stack.fs->sync_file(r, handle, true));
    promised_[name] = written_[name];
  }
  void check() {
    stack.hook = nullptr;
    for (const auto& [path, promised] : cuts_) {
      FsStack after(path);
      after.boot_id = "second boot";
      ASSERT_NO_FATAL_FAILURE(after.open()) << path;
      for (const auto& [name, bytes] : promised) {
        auto found = after.find(name);
        ASSERT_TRUE(found.ok()) << name << " in " << path;
        std::string content = after.content(found->id);
        ASSERT_GE(content.size(), bytes.size()) << name << " in " << path;
        for (std::size_t i = 0; i < bytes.size(); ++i)
          ASSERT_TRUE(bytes[i].contains(content[i])) << name << " byte " << i << " in " << path;
      }
      after.expect_sound();
      after.close();
      std::filesystem::remove_all(path);
    }
  }

  struct Cut {
    std::string path;
    Promised promised;
  };
  std::map<std::string, std::string> disk_;   ///< by path: what was synced
  std::vector<Cut> cuts_;
  Promised written_, promised_;
};

TEST_F(PowerCutTest, WhatFsyncAnsweredForIsThereWheneverThePowerGoes) {
  auto a = stack.create("a");
  HandleId handle = a.opened.handle;
  write(handle, "a", 0, "one");
  sync(handle, "a");                                       // logged
  write(handle, "a", 1, "NE and a longer tail");
  write(handle, "a", 5000, "behind a hole");
  sync(handle, "a");                                       // logged over logged
  write(handle, "a", 2, "not synced");
  ASSERT_OK(stack.store->checkpoint());                    // logged bytes become durable where they are
  write(handle, "a", 4, "logged again");
  sync(handle, "a");
  write(handle, "a", 0, std::string(100000, 'L'));         // too much to log
  sync(handle, "a");
  write(handle, "a", 10, "small after large");
  sync(handle, "a");
  ASSERT_OK(stack.store->checkpoint());
  write(handle, "a", 12, "last, unsynced");

  auto b = stack.create("b");
  write(b.opened.handle, "b", 0, "second file");
  sync(b.opened.handle, "b");
  ASSERT_OK(stack.set_size(b.node.id, 6));                 // cut: logged bytes behind it must not come back
  written_["b"].resize(6);
  promised_["b"].resize(6);
  sync(b.opened.handle, "b");
  write(b.opened.handle, "b", 20, "x");
  sync(b.opened.handle, "b");
  ASSERT_OK(stack.fs->sync_all(r));
  ASSERT_OK(stack.store->checkpoint());
  cut();
  EXPECT_GT(cuts_.size(), 15u);
  check();
}

// From the third on an fdatasync of a file that the kernel writes by itself syncs the file alone.
TEST_F(PowerCutTest, WhatAFileVouchesForIsThereWheneverThePowerGoes) {
  stack.options.passthrough = stack.options.passthrough_empty = true;
  auto hook = std::exchange(stack.hook, nullptr);
  stack.reopen();
  stack.hook = hook;
  for (int round = 0; round < 2; ++round) {
    const std::string name = "file" + std::to_string(round);
    auto made = stack.create(name);
    ASSERT_TRUE(made.opened.passthrough);
    ASSERT_OK(stack.fs->sync_directory(r, kRootInode));
    for (int i = 0; i < 9; ++i) {
      const std::string text(static_cast<std::size_t>(40 + 10 * i), static_cast<char>('a' + i));
      const auto at = static_cast<std::size_t>(i % 4);
      ASSERT_EQ(::pwrite(made.opened.passthrough->fd(), text.data(), text.size(), static_cast<off_t>(at)),
                static_cast<ssize_t>(text.size()));
      Bytewise& bytes = written_[name];
      if (bytes.size() < at + text.size()) bytes.resize(at + text.size(), {'\0'});
      for (std::size_t k = 0; k < text.size(); ++k) {
        bytes[at + k] = {text[k]};
        if (auto known = promised_.find(name); known != promised_.end() && at + k < known->second.size())
          known->second[at + k].insert(text[k]);
      }
      sync(made.opened.handle, name);
      if (i == 5) ASSERT_OK(stack.store->checkpoint());
      if (i == 7) {
        Request owner;
        ASSERT_OK(stack.fs->rename(owner, kRootInode, name, kRootInode, name + "x", 0));
        ASSERT_OK(stack.fs->rename(owner, kRootInode, name + "x", kRootInode, name, 0));
      }
    }
    EXPECT_TRUE(stack.backing->vouching(made.node.id));
    cut();
    if (round == 0) {
      made.opened.passthrough.reset();
      stack.fs->release(made.opened.handle);
      EXPECT_FALSE(stack.backing->vouching(made.node.id));
      cut();
    }
  }
  check();
}

class PowerCutOfFetchedTest : public PowerCutTest, public ::testing::WithParamInterface<bool> {
 protected:
  void start(bool passthrough) {
    stack.options.passthrough = passthrough;
    auto hook = std::exchange(stack.hook, nullptr);
    stack.reopen();
    stack.publish({{"a", theirs}});
    a = stack.find("a")->id;
    EXPECT_EQ(stack.content(a), theirs);
    ASSERT_OK(stack.backing->make_clean(a));
    ASSERT_OK(stack.store->checkpoint());
    stack.hook = hook;
  }
  /// The content of "a" after the cut; the server still has its own.
  std::string after_cut() {
    cut();
    stack.hook = nullptr;
    FsStack after(cuts_.back().path);
    after.boot_id = "second boot";
    EXPECT_NO_FATAL_FAILURE(after.open());
    after.server = stack.server;
    after.fetcher.on_fetch = [&](const Need& need) { return after.fetch_content(need); };
    after.expect_sound();
    dirty_after = !after.content_row(a).dirty.empty();
    return after.content(a);
  }
  /// A file of which only a little is here and synced gets more from the server, and a write beside that.
  void write_beside_fetched(HandleId& handle) {
    start(false);
    ASSERT_OK(stack.backing->remove(a));
    {
      MutexLock lock(stack.store->mutex());
      ASSERT_OK(stack.store->note_content(lock, a, {0, theirs.size()}, false));
    }
    handle = stack.open_file(a);
    ASSERT_OK(stack.write(handle, 190000, "first"));
    ASSERT_OK(stack.fs->sync_file(r, handle, true));
    ASSERT_EQ(stack.read(handle, 70000, 50000)->size(), 50000u);   // fetched
    ASSERT_OK(stack.write(handle, 100000, "mine"));
  }
  const std::string theirs = std::string(200000, 't');
  InodeId a;
  bool dirty_after = false;
};

// What was fetched need not be on the disk: with the note that it may have been written, it became a change of here.
TEST_F(PowerCutOfFetchedTest, WhatWasOpenedForWritingIsFetchedAgain) {
  start(true);
  auto opened = stack.fs->open(r, a, FsStack::rw());
  ASSERT_TRUE(opened.ok() && opened->passthrough);
  keep(stack.directory() + "/data/unseen");   // the kernel wrote it by itself
  ASSERT_EQ(::pwrite(opened->passthrough->fd(), "mine", 4, 0), 4);
  EXPECT_EQ(after_cut(), theirs);
  EXPECT_FALSE(dirty_after);
}

// Another command may have opened the state before: it does not know what there is to be looked at.
TEST_F(PowerCutOfFetchedTest, ACutIsRememberedUntilFilesWereLookedAt) {
  start(true);
  auto opened = stack.fs->open(r, a, FsStack::rw());
  ASSERT_TRUE(opened.ok() && opened->passthrough);
  keep(stack.directory() + "/data/unseen");   // the kernel wrote it by itself
  cut();
  stack.hook = nullptr;
  FsStack after(cuts_.back().path);
  after.boot_id = "second boot";
  ASSERT_NO_FATAL_FAILURE(after.open_state());
  EXPECT_TRUE(after.store->power_was_lost());
  after.close();   // an orderly end
  ASSERT_NO_FATAL_FAILURE(after.open());
  EXPECT_FALSE(after.store->power_was_lost());
  EXPECT_TRUE(after.content_row(a).dirty.empty()) << "a hole became the content";
}

// Written without fsync: lost or there, but what nobody wrote stays. Its neighbours, or all of the file, count as changed, and had
// never been synced: there were zeros.
TEST_P(PowerCutOfFetchedTest, WhatNobodyWroteStaysAsItWas) {
  start(GetParam());
  auto opened = stack.fs->open(r, a, FsStack::rw());
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->passthrough != nullptr, GetParam());
  if (GetParam()) ASSERT_EQ(::pwrite(opened->passthrough->fd(), "mine", 4, 100000), 4);
  else ASSERT_OK(stack.write(opened->handle, 100000, "mine"));
  opened->passthrough.reset();
  stack.fs->release(opened->handle);
  ASSERT_OK(stack.store->sync(stack.store->last_lsn()));   // as each second
  std::string found = after_cut();
  ASSERT_EQ(found.size(), theirs.size());
  EXPECT_TRUE(dirty_after);
  EXPECT_TRUE(found.substr(100000, 4) == "mine" || found.substr(100000, 4) == "tttt");
  found.replace(100000, 4, "tttt");
  EXPECT_TRUE(found == theirs) << found.find('\0');
}
INSTANTIATE_TEST_SUITE_P(Ways, PowerCutOfFetchedTest, ::testing::Bool());

// The file was on the disk, and then more of it came.
TEST_F(PowerCutOfFetchedTest, WhatIsFetchedAfterASyncIsSyncedWithTheNext) {
  HandleId handle;
  ASSERT_NO_FATAL_FAILURE(write_beside_fetched(handle));
  ASSERT_OK(stack.fs->sync_file(r, handle, true));
  std::string wanted = theirs;
  wanted.replace(100000, 4, "mine");
  wanted.replace(190000, 5, "first");
  EXPECT_TRUE(after_cut() == wanted);
}

// Only the log was synced then, and nobody heard of the file.
TEST_F(PowerCutOfFetchedTest, OldBytesBesideWhatIsSyncedThatCannotBeSyncedAreTold) {
  HandleId handle;
  ASSERT_NO_FATAL_FAILURE(write_beside_fetched(handle));
  stack.hook = [](const FaultPoint& point) {
    return point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos ? EIO : 0;
  };
  EXPECT_CODE(stack.fs->sync_file(r, handle, true), Code::kIo);
  stack.hook = nullptr;
  EXPECT_CODE(stack.fs->sync_file(r, handle, true), Code::kIo);   // until it is closed
}

// Editors and programs that save beside and rename over, without fsync.
TEST_F(PowerCutTest, ARenameOverAFileBringsItsBytesAlong) {
  auto old = stack.create("a");
  write(old.opened.handle, "a", 0, "the old content");
  sync(old.opened.handle, "a");
  auto fresh = stack.create("a.new");
  write(fresh.opened.handle, "a.new", 0, "the new content");
  stack.fs->release(fresh.opened.handle);
  ASSERT_OK(stack.rename("a.new", "a"));
  ASSERT_OK(stack.store->sync(stack.store->last_lsn()));   // as each second
  promised_["a"] = written_["a.new"];
  cut();
  check();
}

// Later logged data wins over earlier, whichever of the two the backing file has already.
TEST_F(PowerCutTest, OneRecordIsOverwrittenAgainAndAgain) {
  auto a = stack.create("a");
  for (int i = 0; i < 12; ++i) {
    write(a.opened.handle, "a", static_cast<std::size_t>(i % 3), std::string(30, static_cast<char>('a' + i)));
    sync(a.opened.handle, "a");
    if (i == 4) ASSERT_OK(stack.store->checkpoint());
    if (i == 7) ASSERT_OK(stack.fs->sync_all(r));
  }
  cut();
  check();
}

}  // namespace
}  // namespace skymoor::client
