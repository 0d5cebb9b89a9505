// The store's reads and local changes.
#include <thread>

#include "journal_support.h"

namespace skymoor::client {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { reopen(); ASSERT_TRUE(tree_.make_root().ok()); list_root(); }
  void reopen() {
    store_.reset();
    auto store = MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    store_ = std::move(*store);
    tree_.use(*store_);
  }
  void list_root() {
    InodeRow root = Reference().inodes.at(kRootInode).row;
    ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{0}, {.inode = root}, {}, true).ok());
  }
  void expect_equal() {
    EXPECT_EQ(dump(*store_), tree_.reference.dump());
    auto findings = store_->check();
    ASSERT_TRUE(findings.ok()) << findings.error().to_string();
    EXPECT_THAT(*findings, testing::IsEmpty());
  }

  TemporaryDirectory directory_;
  PosixDisk disk_;
  FakeClock clock_;
  MetadataStore::Options options_ = quiet_options(directory_.path());
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
};

TEST_F(StoreTest, EveryOperationShowsAtOnceAfterACheckpointAndAfterReopen) {
  InodeId dir = *tree_.create(kRootInode, "dir", FileType::kDirectory);
  InodeId file = *tree_.create(dir, "file");
  InodeId symlink = *tree_.create(dir, "symlink", FileType::kSymlink);
  ASSERT_TRUE(tree_.write(file, {0, 5000}).ok());
  ASSERT_TRUE(tree_.write(file, {10000, 12000}).ok());
  ASSERT_TRUE(tree_.truncate(file, 11000).ok());
  ASSERT_TRUE(tree_.link(file, kRootInode, "hard").ok());
  ASSERT_TRUE(tree_.set_xattr(file, "user.a", "1").ok());
  ASSERT_TRUE(tree_.set_xattr(symlink, "user.b", "2").ok());
  ASSERT_TRUE(tree_.chmod(symlink, 0600).ok());
  ASSERT_TRUE(tree_.put_manifest(*tree_.create(dir, "clone"), Manifest{4, "abcd"_bytes, {}}).ok());
  expect_equal();
  ASSERT_TRUE(store_->checkpoint().ok());
  expect_equal();
  ASSERT_TRUE(tree_.rename(dir, "symlink", kRootInode, "moved").ok());
  ASSERT_TRUE(tree_.rename(dir, "file", dir, "clone").ok());
  ASSERT_TRUE(tree_.unlink(kRootInode, "moved").ok());
  ASSERT_TRUE(tree_.remove_xattr(file, "user.a").ok());
  expect_equal();
  reopen();
  expect_equal();
}

TEST_F(StoreTest, MissingNamesAreNotFoundWhereAllIsListedAndNotPresentElsewhere) {
  {
    MutexLock lock(store_->mutex());
    EXPECT_EQ(store_->dentry(lock, kRootInode, "no").error().code(), Code::kNotFound);
    EXPECT_EQ(store_->dentry(lock, kRootInode, "no").error().code(), Code::kNotFound);
    EXPECT_EQ(store_->inode(lock, InodeId{999}).error().code(), Code::kNotFound);
    EXPECT_EQ(store_->list(lock, InodeId{999}, 0, 10).error().code(), Code::kNotFound);
  }
  MetadataStore::ListedRow row;
  row.name = "unlisted";
  row.inode.id = InodeId{50};
  row.inode.attributes.type = FileType::kDirectory;
  row.inode.links = 2;
  row.inode.version = Sequence{1};
  InodeRow root = Reference().inodes.at(kRootInode).row;
  root.version = Sequence{1};
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{1}, {.inode = root}, {row}, true).ok());
  MutexLock lock(store_->mutex());
  EXPECT_EQ(store_->dentry(lock, kRootInode, "unlisted")->inode, InodeId{50});
  EXPECT_EQ(store_->dentry(lock, InodeId{50}, "x").error().code(), Code::kNotPresent);
  EXPECT_EQ(store_->list(lock, InodeId{50}, 0, 10).error().code(), Code::kNotPresent);
  EXPECT_EQ(store_->has_children(lock, InodeId{50}).error().code(), Code::kNotPresent);
}

TEST_F(StoreTest, SmallCachesGiveTheSameAnswers) {
  options_.cached_inodes = 4;
  options_.cached_dentries = 4;
  reopen();
  InodeId dir = *tree_.create(kRootInode, "dir", FileType::kDirectory);
  for (int i = 0; i < 60; ++i) {
    auto id = tree_.create(i % 2 ? dir : kRootInode, "f" + std::to_string(i));
    ASSERT_TRUE(id.ok());
    ASSERT_TRUE(tree_.write(*id, {0, 100}).ok());
    if (i % 7 == 0) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
  }
  MutexLock lock(store_->mutex());
  EXPECT_EQ(store_->dentry(lock, dir, "f2").error().code(), Code::kNotFound);
  EXPECT_TRUE(store_->dentry(lock, dir, "f3").ok());
  lock.unlock();
  expect_equal();
}

TEST_F(StoreTest, ListingPagesAreCompleteAcrossMemoryAndDatabase) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(tree_.create(kRootInode, "a" + std::to_string(i)).ok());
    if (i == 25) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
  }
  for (int i = 10; i < 40; i += 3) ASSERT_TRUE(tree_.unlink(kRootInode, "a" + std::to_string(i)).ok());
  ASSERT_TRUE(tree_.rename(kRootInode, "a1", kRootInode, "z").ok());
  for (std::size_t limit : {1u, 2u, 7u, 1000u}) {
    std::set<std::string> names;
    std::uint64_t after = 0;
    MutexLock lock(store_->mutex());
    for (;;) {
      auto page = *store_->list(lock, kRootInode, after, limit);
      for (auto& entry : page) EXPECT_TRUE(names.insert(entry.name).second);
      if (page.size() < limit) break;
      after = page.back().cookie;
    }
    EXPECT_EQ(names.size(), 40u) << limit;
  }
}

TEST_F(StoreTest, LinksKnowNamesInMemoryAndInTheDatabase) {
  InodeId file = *tree_.create(kRootInode, "one");
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_TRUE(tree_.link(file, kRootInode, "two").ok());
  ASSERT_TRUE(tree_.rename(kRootInode, "one", kRootInode, "three").ok());
  MutexLock lock(store_->mutex());
  std::set<std::string> names;
  std::vector<DentryRow> links = *store_->links(lock, file);
  for (auto& row : links) names.insert(row.name);
  EXPECT_THAT(names, testing::ElementsAre("three", "two"));
}

TEST_F(StoreTest, TotalsAndPendingAreKept) {
  InodeId a = *tree_.create(kRootInode, "a");
  InodeId b = *tree_.create(kRootInode, "b");
  ASSERT_TRUE(tree_.write(a, {0, 1000}).ok());
  ASSERT_TRUE(tree_.write(a, {500, 1500}).ok());
  ASSERT_TRUE(tree_.write(b, {100, 200}).ok());
  auto expect = [&](std::uint64_t inodes, std::uint64_t bytes, std::uint64_t files, std::uint64_t dirty) {
    MutexLock lock(store_->mutex());
    EXPECT_EQ(store_->totals().inodes, inodes);
    EXPECT_EQ(store_->totals().bytes, bytes);
    lock.unlock();
    auto pending = store_->pending();
    EXPECT_EQ(pending.files, files);
    EXPECT_EQ(pending.bytes, dirty);
    EXPECT_TRUE(pending.oldest.has_value());
    EXPECT_EQ(pending.records, store_->last_lsn().value);
  };
  expect(3, 1700, 2, 1600);
  ASSERT_TRUE(store_->checkpoint().ok());
  expect(3, 1700, 2, 1600);
  ASSERT_TRUE(tree_.unlink(kRootInode, "b").ok());
  expect(2, 1500, 1, 1500);
  reopen();
  expect(2, 1500, 1, 1500);
  ASSERT_TRUE(tree_.truncate(a, 10).ok());
  expect(2, 10, 1, 10);
}

TEST_F(StoreTest, AChangeThatWasOvertakenIsRefused) {
  MutexLock lock(store_->mutex());
  Change first = store_->begin(lock, LocalIntent{});
  Change second = store_->begin(lock, LocalIntent{});
  ASSERT_TRUE(store_->commit(lock, std::move(first)).ok());
  EXPECT_EQ(store_->commit(lock, std::move(second)).error().code(), Code::kInternal);
}

TEST_F(StoreTest, RecordTooLargeIsRefusedAndChangesNothing) {
  InodeId file = *tree_.create(kRootInode, "f");
  Lsn last = store_->last_lsn();
  MutexLock lock(store_->mutex());
  Change change = store_->begin(lock, LocalIntent{});
  change.log_data(file, 0, Bytes(kMaxRecordBytes));
  EXPECT_EQ(store_->commit(lock, std::move(change)).error().code(), Code::kTooLarge);
  EXPECT_EQ(store_->last_lsn(), last);
}

TEST_F(StoreTest, RecordsAfterStreamsAcrossSegmentsWithinBounds) {
  options_.segment_bytes = 2000;
  reopen();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  Lsn at;
  std::size_t seen = 0;
  for (;;) {
    auto records = *store_->records_after(at, 7, 1 << 20);
    if (records.empty()) break;
    EXPECT_LE(records.size(), 7u);
    for (auto& record : records) {
      EXPECT_EQ(record.lsn.value, at.value + 1);
      at = record.lsn;
      if (std::holds_alternative<CreateIntent>(record.intent)) ++seen;
    }
  }
  EXPECT_EQ(seen, 100u);
  EXPECT_EQ(store_->records_after(Lsn{}, 1000, 500)->size(), 3u) << "bounded by bytes";
}

TEST_F(StoreTest, AFullSetOfUncheckedRecordsCheckpointsByItself) {
  options_.max_unchecked_records = 10;
  reopen();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  expect_equal();
}

TEST_F(StoreTest, BackgroundThreadsSyncAndCheckpointWhileOthersWork) {
  options_.sync_interval = options_.checkpoint_interval = std::chrono::milliseconds{5};
  options_.cached_inodes = options_.cached_dentries = 16;
  options_.segment_bytes = 20000;
  reopen();
  std::atomic<bool> stop{false};
  std::jthread reader([&] {
    while (!stop) {
      {
        MutexLock lock(store_->mutex());
        auto page = store_->list(lock, kRootInode, 0, 20);
        EXPECT_TRUE(page.ok());
        for (auto& row : *page) EXPECT_TRUE(store_->inode(lock, row.inode).ok());
      }
      (void)store_->pending();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int i = 0; i < 400; ++i) {
    auto id = tree_.create(kRootInode, "f" + std::to_string(i));
    ASSERT_TRUE(id.ok());
    ASSERT_TRUE(tree_.write(*id, {0, 10}).ok());
    if (i % 3 == 0) {
      ASSERT_TRUE(tree_.unlink(kRootInode, "f" + std::to_string(i)).ok());
    }
    if (i % 100 == 0) {
      ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
    }
  }
  stop = true;
  reader.join();
  expect_equal();
  reopen();
  expect_equal();
}

// ---- content notes ----

TEST_F(StoreTest, FetchedRangesAndManifestsAreNotedAndEvictionsSurviveAKill) {
  MetadataStore::ListedRow row;
  row.name = "remote";
  row.inode.id = InodeId{60};
  row.inode.links = 1;
  row.inode.attributes.size = 1000;
  row.inode.content = {WriterId{2}, 5};
  row.inode.version = Sequence{1};
  InodeRow root = Reference().inodes.at(kRootInode).row;
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{1}, {.inode = root}, {row}, true).ok());
  auto content = [&] {
    MutexLock lock(store_->mutex());
    return *store_->content(lock, InodeId{60});
  };
  EXPECT_EQ(content().manifest_content, row.inode.content) << "known by name";
  EXPECT_TRUE(content().manifest.empty()) << "not fetched";
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_manifest(lock, InodeId{60}, {WriterId{2}, 4}, "old"_bytes).ok());
    ASSERT_TRUE(store_->note_manifest(lock, InodeId{60}, row.inode.content, text_manifest(1000, {1, 2})).ok());
    ASSERT_TRUE(store_->note_content(lock, InodeId{60}, {0, 1000}, true).ok());
  }
  EXPECT_EQ(content().manifest, text_manifest(1000, {1, 2}));
  reopen();
  EXPECT_EQ(content().manifest, text_manifest(1000, {1, 2}));
  EXPECT_TRUE(content().valid.contains({0, 1000}));
  {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, LocalIntent{});
    change.mark_content(InodeId{60}, {100, 200}, true, true);
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
    ASSERT_TRUE(store_->note_content(lock, InodeId{60}, {0, 1000}, false).ok());
  }
  EXPECT_EQ(content().valid.all(), (std::vector<Extent>{{100, 200}})) << "what is dirty is never given up";
  // As after a kill: the files as they are now.
  TemporaryDirectory copy;
  copy_files(directory_.path(), copy.path());
  auto again = MetadataStore::open(disk_, clock_, quiet_options(copy.path()), test_identity(), nullptr);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  MutexLock lock((*again)->mutex());
  EXPECT_EQ((*again)->content(lock, InodeId{60})->valid.all(), (std::vector<Extent>{{100, 200}}));
}

TEST_F(StoreTest, AManifestFetchedBeforeAWriteSurvivesAKillWithIt) {
  MetadataStore::ListedRow row;
  row.name = "remote";
  row.inode.id = InodeId{60};
  row.inode.links = 1;
  row.inode.content = {WriterId{2}, 5};
  row.inode.version = Sequence{1};
  InodeRow root = Reference().inodes.at(kRootInode).row;
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{1}, {.inode = root}, {row}, true).ok());
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_manifest(lock, InodeId{60}, row.inode.content, "manifest"_bytes).ok());
    Change change = store_->begin(lock, LocalIntent{});
    change.mark_content(InodeId{60}, {100, 200}, true, true);
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  TemporaryDirectory copy;
  copy_files(directory_.path(), copy.path());
  auto again = MetadataStore::open(disk_, clock_, quiet_options(copy.path()), test_identity(), nullptr);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  MutexLock lock((*again)->mutex());
  EXPECT_EQ((*again)->content(lock, InodeId{60})->manifest, "manifest"_bytes);
}

TEST_F(StoreTest, MovedContentTakesExtentsAndManifestAlong) {
  InodeId from = *tree_.create(kRootInode, "from"), to = *tree_.create(kRootInode, "to");
  ASSERT_TRUE(tree_.write(from, {0, 10}).ok());
  ASSERT_TRUE(tree_.put_manifest(from, Manifest{4, "abcd"_bytes, {}}).ok());
  ContentRow before;
  {
    MutexLock lock(store_->mutex());
    before = *store_->content(lock, from);
    Change change = store_->begin(lock, LocalIntent{});
    change.move_content(from, to);
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  for (int round = 0; round < 2; ++round) {
    MutexLock lock(store_->mutex());
    ContentRow moved = *store_->content(lock, to);
    EXPECT_EQ(moved.manifest, before.manifest);
    EXPECT_EQ(moved.dirty, before.dirty);
    EXPECT_TRUE(store_->content(lock, from)->valid.empty());
    lock.unlock();
    reopen();
  }
  EXPECT_EQ(store_->pending().files, 1u);
}

}  // namespace
}  // namespace skymoor::client
