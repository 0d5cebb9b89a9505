// fsync, O_SYNC, fsync of directories, syncfs, fsync=remote; failures that stay.
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class SyncTest : public FsTest {
 protected:
  void do_not_log() {
    stack.options.log_small_syncs = false;
    stack.reopen();
  }
  void count_syncs() {
    stack.hook = [this](const FaultPoint& point) {
      if (point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos) ++data;
      if (point.name == "file.sync" && point.detail.find("/log-") != point.detail.npos) ++log;
      if (point.name == "backing.sync_all") ++all;
      return 0;
    };
  }
  int data = 0, log = 0, all = 0;
};

TEST_F(SyncTest, FsyncMakesBytesAndRecordDurable) {
  do_not_log();
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "x"));
  count_syncs();
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, true));
  EXPECT_EQ(data, 1);
  EXPECT_EQ(log, 1);
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, false));
  EXPECT_EQ(data, 1);   // nothing new
}

TEST_F(SyncTest, SyncHandlesAreDurableAtEachWrite) {
  do_not_log();
  InodeId a = stack.touch("a");
  HandleId handle = stack.open_file(a, {.write = true, .sync = true});
  count_syncs();
  ASSERT_OK(stack.write(handle, 0, "x"));
  EXPECT_EQ(data, 1);
  EXPECT_EQ(log, 1);
}

TEST_F(SyncTest, DirectoriesAndTheWholeVolume) {
  stack.write_file("a", "x");
  count_syncs();
  ASSERT_OK(stack.fs->sync_directory(r, kRootInode));
  EXPECT_EQ(log, 1);
  EXPECT_EQ(data, 0);
  stack.touch("b");
  ASSERT_OK(stack.fs->sync_all(r));
  EXPECT_EQ(all, 1);
  EXPECT_EQ(log, 2);
}

TEST_F(SyncTest, AFailedSyncStaysFailedWhileTheFileIsOpen) {
  do_not_log();
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "x"));
  HandleId other = stack.open_file(made.node.id);
  stack.hook = [](const FaultPoint& point) {
    return point.name == "file.sync" && point.detail.find("/backing/") != point.detail.npos ? EIO : 0;
  };
  EXPECT_CODE(stack.fs->sync_file(r, made.opened.handle, false), Code::kIo);
  stack.hook = nullptr;
  EXPECT_CODE(stack.fs->sync_file(r, made.opened.handle, false), Code::kIo);
  EXPECT_CODE(stack.fs->sync_file(r, other, false), Code::kIo);
  EXPECT_CODE(stack.fs->flush(r, other), Code::kIo);
  stack.fs->release(made.opened.handle);
  stack.fs->release(other);
  HandleId fresh = stack.open_file(made.node.id);
  ASSERT_OK(stack.write(fresh, 0, "y"));
  EXPECT_OK(stack.fs->sync_file(r, fresh, false));
}

TEST_F(SyncTest, RemoteFsyncWaitsForTheServer) {
  stack.options.fsync_remote = true;
  stack.reopen();
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "x"));
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, false));
  ASSERT_EQ(stack.fetcher.synced().size(), 1u);
  EXPECT_EQ(stack.fetcher.synced()[0], stack.row(made.node.id).changed);
  stack.fetcher.remote_sync = Error(Code::kOffline, "no server");
  EXPECT_CODE(stack.fs->sync_file(r, made.opened.handle, false), Code::kOffline);
  stack.fetcher.remote_sync = {};
  EXPECT_OK(stack.fs->sync_file(r, made.opened.handle, false));
}

TEST_F(SyncTest, SmallWritesToANewFileCostOneSyncEach) {
  auto made = stack.create("a");
  count_syncs();
  for (int i = 1; i <= 10; ++i) {
    ASSERT_OK(stack.write(made.opened.handle, static_cast<std::uint64_t>(i) * 512, "record"));
    ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, true));
    EXPECT_EQ(log, i);
  }
  EXPECT_EQ(data, 0);
}

// Found by reading: the copy kept bytes that fsync had answered for, and nobody had synced them.
TEST_F(SyncTest, WhatWentToAConflictCopyIsSyncedThere) {
  InodeId copy = stack.touch("copy");
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "mine"));
  stack.move_content(made.node.id, copy);
  count_syncs();
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, false));
  EXPECT_EQ(data, 1);
  EXPECT_EQ(log, 1);
  ASSERT_OK(stack.fs->sync_file(r, made.opened.handle, false));
  EXPECT_EQ(data, 1) << "once is enough";
}

// A logged byte names its inode: between rows and file of a move it would name the wrong one.
TEST_F(SyncTest, NothingIsLoggedWhileAConflictCopyTakesTheFile) {
  InodeId copy = stack.touch("copy");
  auto made = stack.create("a");
  ASSERT_OK(stack.write(made.opened.handle, 0, "mine"));
  auto file = stack.backing->open_file(made.node.id, false).value();
  auto frozen = file->freeze();
  count_syncs();
  std::atomic<bool> done{false};
  std::thread syncer([&] {
    Request mine;
    EXPECT_OK(stack.fs->sync_file(mine, made.opened.handle, false));
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(done);
  stack.move_rows(*stack.fs, made.node.id, copy);
  ASSERT_OK(stack.backing->move(made.node.id, copy));
  frozen.unlock();
  stack.fs->files_moved();
  syncer.join();
  stack.hook = nullptr;
  EXPECT_EQ(data, 1);
  for (const LogRecord& record : stack.records())
    for (const RowChange& change : record.changes) EXPECT_FALSE(std::holds_alternative<LogData>(change));
}

}  // namespace
}  // namespace skymoor::client
