#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/fuse_cache/cache_fixture.h"

namespace skymoor::client {
namespace {

constexpr InodeId kA{0x1000001}, kB{0x1000002};

using BackingStoreTest = CacheTest;

TEST_F(BackingStoreTest, AFileIsMadeOnlyWhenAsked) {
  EXPECT_EQ(store->open_file(kA, false).error().code(), Code::kNotFound);
  EXPECT_FALSE(store->exists(kA));
  fill(kA, 100);
  EXPECT_TRUE(store->exists(kA));
  EXPECT_EQ(content(kA), Bytes(100, 7));
  EXPECT_EQ(files_in("data"), 1u);
}

TEST_F(BackingStoreTest, AnOpenFileIsShared) {
  auto a = store->open_file(kA, true).value(), b = store->open_file(kA, false).value();
  EXPECT_EQ(a.get(), b.get());
}

TEST_F(BackingStoreTest, CleanAndDirtyMoveTheFileAndKeepDescriptorsRight) {
  auto file = store->open_file(kA, true).value();
  ASSERT_TRUE(store->make_clean(kA).ok());
  EXPECT_EQ(files_in("data"), 0u);
  EXPECT_EQ(files_in("cache"), 1u);
  ASSERT_TRUE(file->file().write_at(0, as_bytes("hello")).ok());
  ASSERT_TRUE(store->make_clean(kA).ok());
  ASSERT_TRUE(store->make_dirty(kA).ok());
  ASSERT_TRUE(store->make_dirty(kA).ok());
  EXPECT_EQ(files_in("data"), 1u);
  EXPECT_EQ(files_in("cache"), 0u);
  file.reset();
  reopen();
  EXPECT_EQ(as_text(content(kA)), "hello");
}

TEST_F(BackingStoreTest, MakeDirtyCreates) {
  ASSERT_TRUE(store->make_dirty(kA).ok());
  EXPECT_TRUE(store->exists(kA));
  EXPECT_EQ(files_in("data"), 1u);
}

TEST_F(BackingStoreTest, RemoveDetachesOpenFiles) {
  auto file = store->open_file(kA, true).value();
  EXPECT_TRUE(file->serves(kA));
  ASSERT_TRUE(store->remove(kA).ok());
  ASSERT_TRUE(store->remove(kA).ok());
  EXPECT_FALSE(file->serves(kA));
  EXPECT_FALSE(store->exists(kA));
  auto again = store->open_file(kA, true).value();
  EXPECT_NE(again.get(), file.get());
}

TEST_F(BackingStoreTest, MoveTakesDescriptorsAlong) {
  fill(kA, 10, 1);
  fill(kB, 10, 2);
  auto a = store->open_file(kA, false).value(), b = store->open_file(kB, false).value();
  ASSERT_TRUE(store->move(kA, kB).ok());
  EXPECT_TRUE(a->serves(kB));
  EXPECT_FALSE(a->serves(kA));
  EXPECT_FALSE(b->serves(kB));
  EXPECT_FALSE(store->exists(kA));
  EXPECT_EQ(content(kB), Bytes(10, 1));
  EXPECT_EQ(store->open_file(kB, false).value().get(), a.get());
  reopen();
  EXPECT_EQ(content(kB), Bytes(10, 1));
}

TEST_F(BackingStoreTest, SyncReachesTheDirectoryOnceAfterEachMove) {
  fill(kA, 10);
  int files = 0, directories = 0;
  hook = [&](const FaultPoint& point) {
    files += point.name == "file.sync";
    directories += point.name == "disk.sync_directory";
    return 0;
  };
  ASSERT_TRUE(store->sync(kA).ok());
  EXPECT_EQ(files, 1);
  EXPECT_EQ(directories, 1);
  ASSERT_TRUE(store->sync(kA).ok());
  EXPECT_EQ(files, 2);
  EXPECT_EQ(directories, 1);
  ASSERT_TRUE(store->make_clean(kA).ok());
  ASSERT_TRUE(store->make_dirty(kA).ok());
  ASSERT_TRUE(store->sync(kA).ok());
  EXPECT_EQ(directories, 2);
  EXPECT_TRUE(store->sync(kB).ok());
  EXPECT_TRUE(store->sync_all().ok());
}

TEST_F(BackingStoreTest, AFailedSyncIsReportedAndTheDirectoryIsTriedAgain) {
  fill(kA, 10);
  hook = [](const FaultPoint& point) { return point.name == "disk.sync_directory" ? EIO : 0; };
  EXPECT_EQ(store->sync(kA).error().code(), Code::kIo);
  int directories = 0;
  hook = [&](const FaultPoint& point) {
    directories += point.name == "disk.sync_directory";
    return 0;
  };
  EXPECT_TRUE(store->sync(kA).ok());
  EXPECT_EQ(directories, 1);
}

TEST_F(BackingStoreTest, AFailedRenameChangesNothing) {
  fill_clean(kA, 10);
  hook = [](const FaultPoint& point) { return point.name == "disk.rename" ? EIO : 0; };
  EXPECT_FALSE(store->make_dirty(kA).ok());
  hook = nullptr;
  EXPECT_EQ(files_in("cache"), 1u);
  EXPECT_TRUE(store->make_dirty(kA).ok());
  EXPECT_EQ(files_in("data"), 1u);
}

TEST_F(BackingStoreTest, UsageCountsAllocatedBytesByWorth) {
  fill(kA, 8192);
  fill_clean(kB, 16384);
  auto usage = store->usage();
  EXPECT_EQ(usage.dirty_bytes, 8192u);
  EXPECT_EQ(usage.clean_bytes, 16384u);
  ASSERT_TRUE(store->remove(kB).ok());
  EXPECT_EQ(store->usage().clean_bytes, 0u);
}

TEST_F(BackingStoreTest, DescriptorsStayBounded) {
  auto descriptors = [] {
    auto list = std::filesystem::directory_iterator("/proc/self/fd");
    return std::distance(begin(list), end(list));
  };
  auto before = descriptors();
  for (std::uint64_t i = 1; i <= 500; ++i) fill(InodeId{i}, 1, static_cast<std::uint8_t>(i));
  EXPECT_LT(descriptors() - before, 100);
  for (std::uint64_t i = 1; i <= 500; ++i) EXPECT_EQ(content(InodeId{i}), Bytes(1, static_cast<std::uint8_t>(i)));
}

TEST_F(BackingStoreTest, UnseenIsRememberedAndKeepsTheFileDirty) {
  fill(kA, 10);
  fill(kB, 10);
  ASSERT_TRUE(store->set_unseen(kA, true).ok());
  ASSERT_TRUE(store->set_unseen(kB, true).ok());
  ASSERT_TRUE(store->set_unseen(kB, false).ok());
  ASSERT_TRUE(store->make_clean(kA).ok());
  EXPECT_EQ(files_in("data"), 2u);
  reopen();
  EXPECT_TRUE(store->unseen(kA));
  EXPECT_FALSE(store->unseen(kB));
  EXPECT_EQ(store->unseen_inodes(), std::vector<InodeId>{kA});
  ASSERT_TRUE(store->move(kA, InodeId{9}).ok());
  EXPECT_EQ(store->unseen_inodes(), std::vector<InodeId>{InodeId{9}});
  ASSERT_TRUE(store->remove(InodeId{9}).ok());
  EXPECT_TRUE(store->unseen_inodes().empty());
}

TEST_F(BackingStoreTest, AWipedCacheIsNoticed) {
  fill_clean(kA, 10);
  reopen();
  ASSERT_TRUE(store->sweep([](InodeId) { return true; }).ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "cache/backing"))
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  EXPECT_EQ(store->open_file(kA, false).error().code(), Code::kNotFound);
  EXPECT_EQ(store->usage().clean_bytes, 0u);
}

TEST_F(BackingStoreTest, FreezeKeepsModificationsOut) {
  auto file = store->open_file(kA, true).value();
  std::uint64_t before = file->generation();
  std::atomic<bool> modified{false};
  auto frozen = file->freeze();
  std::jthread writer([&] {
    BackingFile::Modification change(*file);
    modified = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(modified);
  EXPECT_EQ(file->generation(), before);
  frozen.unlock();
  writer.join();
  EXPECT_EQ(file->generation(), before + 2);
}

// Clean files stay where they are when the cache lies on another filesystem.
TEST(BackingStoreSplit, CleanFilesStayAndAreEvictable) {
  using skymoor::testing::TempDir;
  if (TempDir::fast_directory() == TempDir::disk_directory()) GTEST_SKIP() << "no second filesystem here";
  TempDir data(TempDir::disk_directory()), cache(TempDir::fast_directory());
  PosixDisk disk;
  auto store = BackingStore::open(disk, {.data_directory = data.path(), .cache_directory = cache.path()}).value();
  auto file = store->open_file(kA, true).value();
  ASSERT_TRUE(file->file().write_at(0, Bytes(4096, 1)).ok());
  ASSERT_TRUE(store->make_clean(kA).ok());
  EXPECT_EQ(store->usage().clean_bytes, 4096u);
  ASSERT_TRUE(store->make_dirty(kA).ok());
  EXPECT_EQ(store->usage().dirty_bytes, 4096u);
  ASSERT_TRUE(store->make_clean(kA).ok());
  file.reset();
  store.reset();
  store = BackingStore::open(disk, {.data_directory = data.path(), .cache_directory = cache.path()}).value();
  ASSERT_TRUE(store->sweep([](InodeId) { return true; }).ok());
  ListJudge judge;
  EXPECT_EQ(store->evict(judge, 0).value(), 4096u);
  EXPECT_FALSE(store->exists(kA));
}

}  // namespace
}  // namespace skymoor::client
