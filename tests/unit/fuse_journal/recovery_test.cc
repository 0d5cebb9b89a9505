// Opening again: identity, damage, power cuts, orphans, file data in the log, released segments.
#include <fstream>

#include "fuse/journal/log/segment.h"
#include "journal_support.h"
#include "shared/sqlite/database.h"

namespace skymoor::client {
namespace {

class FakeReplay final : public DataReplay {
 public:
  Status replay(InodeId inode, std::uint64_t offset, ByteView bytes) override {
    replayed.emplace_back(inode, offset, std::string(as_text(bytes)));
    return {};
  }
  Status make_durable(const std::vector<InodeId>& inodes) override {
    if (fail) return Error(Code::kIo, "injected");
    durable.insert(durable.end(), inodes.begin(), inodes.end());
    return {};
  }
  Status sync_changed(const std::vector<InodeId>& inodes) override {
    changed.push_back(inodes);
    return fail ? Status(Error(Code::kIo, "injected")) : Status();
  }
  std::vector<std::tuple<InodeId, std::uint64_t, std::string>> replayed;
  std::vector<std::vector<InodeId>> changed;
  std::vector<InodeId> durable;
  bool fail = false;
};

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() { options_.boot_id = "boot-1"; }
  void SetUp() override {
    ASSERT_TRUE(reopen().ok());
    ASSERT_TRUE(tree_.make_root().ok());
    ASSERT_TRUE(
        store_->merge_listing(kRootInode, Sequence{0}, {.inode = Reference().inodes.at(kRootInode).row}, {}, true).ok());
  }
  Status reopen(StoreIdentity identity = test_identity()) {
    store_.reset();
    store_ = TRY(MetadataStore::open(disk_, clock_, options_, identity, &replay_));
    tree_.use(*store_);
    return {};
  }
  /// The files as a kill would leave them now, as the state directory from here on.
  void crash() {
    auto copy = std::make_unique<TemporaryDirectory>();
    copy_files(options_.directory, copy->path());
    store_.reset();
    options_.directory = copy->path();
    copies_.push_back(std::move(copy));
  }
  std::string segment(Lsn first = Lsn{1}) { return options_.directory + "/" + segment_name(first); }

  void bytes_first(InodeId inode) {
    MutexLock lock(store_->mutex());
    store_->bytes_first(lock, inode);
  }

  TemporaryDirectory directory_;
  std::vector<std::unique_ptr<TemporaryDirectory>> copies_;
  PosixDisk disk_;
  FakeClock clock_;
  FakeReplay replay_;
  MetadataStore::Options options_ = quiet_options(directory_.path());
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
};

// Files that the log waits for: once each, all of them at once beyond the bound, and one that cannot be synced holds up nobody.
TEST_F(RecoveryTest, BytesComeBeforeTheLogAndAreTriedAgain) {
  const Lsn last = store_->last_lsn();
  bytes_first(InodeId{5});
  bytes_first(InodeId{5});
  EXPECT_TRUE(store_->sync(last).ok());
  EXPECT_TRUE(store_->sync(last).ok());
  ASSERT_EQ(replay_.changed, (std::vector<std::vector<InodeId>>{{InodeId{5}}}));
  replay_.fail = true;
  bytes_first(InodeId{6});
  EXPECT_TRUE(store_->sync(last).ok());
  replay_.fail = false;
  EXPECT_TRUE(store_->sync(last).ok());
  EXPECT_TRUE(store_->sync(last).ok());
  ASSERT_EQ(replay_.changed.size(), 3u);
  EXPECT_EQ(replay_.changed[1], replay_.changed[2]);
  for (std::uint64_t i = 0; i < 20000; ++i) bytes_first(InodeId{100 + i});
  EXPECT_TRUE(store_->sync(last).ok());
  EXPECT_EQ(replay_.changed.back().size(), 10001u);
  EXPECT_THAT(replay_.changed.back(), testing::Contains(InodeId{}));
}

TEST_F(RecoveryTest, IdentityIsKeptAndGuarded) {
  auto identity = MetadataStore::read_identity(disk_, directory_.path());
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->volume, test_identity().volume);
  EXPECT_EQ(identity->writer, test_identity().writer);
  EXPECT_EQ(MetadataStore::read_identity(disk_, directory_.file("none")).error().code(), Code::kNotFound);
  StoreIdentity other = test_identity();
  other.volume.value[3] = 9;
  EXPECT_EQ(reopen(other).error().code(), Code::kUnknownServer);
  other = test_identity();
  other.writer = WriterId{8};
  EXPECT_EQ(reopen(other).error().code(), Code::kUnknownServer);
  EXPECT_TRUE(reopen().ok());
}

TEST_F(RecoveryTest, ASecondOpenIsBusy) {
  EXPECT_EQ(MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr).error().code(), Code::kBusy);
}

TEST_F(RecoveryTest, NewerSchemaIsRefused) {
  store_.reset();
  { (void)(*sqlite::Database::open(directory_.file("metadata.db")))->execute("PRAGMA user_version=65635").ok(); }
  Status opened = reopen();
  EXPECT_EQ(opened.error().code(), Code::kCorrupt);
  EXPECT_THAT(opened.error().to_string(), testing::HasSubstr("newer version"));
}

TEST_F(RecoveryTest, ALostDatabaseOrLogIsNotTakenForAFreshStart) {
  ASSERT_TRUE(tree_.create(kRootInode, "a").ok());
  store_.reset();
  std::filesystem::rename(directory_.file("metadata.db"), directory_.file("aside"));
  EXPECT_EQ(reopen().error().code(), Code::kCorrupt);
  std::filesystem::remove(directory_.file("metadata.db-wal"));
  std::filesystem::rename(directory_.file("aside"), directory_.file("metadata.db"));
  std::filesystem::rename(segment(), directory_.file("aside"));
  EXPECT_EQ(reopen().error().code(), Code::kCorrupt);
  std::filesystem::rename(directory_.file("aside"), segment());
  EXPECT_TRUE(reopen().ok());
  EXPECT_EQ(dump(*store_), tree_.reference.dump());
}

TEST_F(RecoveryTest, AShortenedLogIsReported) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  store_.reset();
  std::filesystem::resize_file(segment(), std::filesystem::file_size(segment()) - 10);
  Status opened = reopen();
  EXPECT_EQ(opened.error().code(), Code::kCorrupt) << "the tables hold the record, so it had been synced";
}

TEST_F(RecoveryTest, DamageInTheMiddleNamesFileAndOffset) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  crash();
  {
    std::fstream file(segment(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(300);
    file.put('\x55');
  }
  Status opened = reopen();
  ASSERT_EQ(opened.error().code(), Code::kCorrupt);
  EXPECT_THAT(opened.error().to_string(), testing::AllOf(testing::HasSubstr("log-0000"), testing::HasSubstr("offset")));
}

TEST_F(RecoveryTest, DamageInAnAcknowledgedPartThatNobodyReadsIsNoObstacle) {
  options_.segment_bytes = 1500;
  ASSERT_TRUE(reopen().ok());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  store_.reset();
  std::fstream(segment(), std::ios::in | std::ios::out | std::ios::binary).seekp(200).put('\x55');
  ASSERT_TRUE(reopen().ok()) << "the tables hold it";
  EXPECT_EQ(store_->records_after(Lsn{}, 1000, 1 << 20).error().code(), Code::kCorrupt) << "but sync needs it";
}

/// Segments went although the next start cut the tables' own log before the rows of their records.
TEST_F(RecoveryTest, NoSegmentGoesWhileTheTablesOwnLogIsDamaged) {
  options_.segment_bytes = 1500;
  ASSERT_TRUE(reopen().ok());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  auto segments = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
      if (const std::string name = entry.path().filename(); name.starts_with("log-")) names.insert(name);
    return names;
  };
  const auto before = segments();
  ASSERT_GT(before.size(), 3u);
  const std::string wal = options_.directory + "/metadata.db-wal";
  const auto at = static_cast<std::streamoff>(std::filesystem::file_size(wal)) - 1000;
  ASSERT_TRUE(store_->acknowledge(store_->last_lsn()).ok());
  {
    std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
    const int byte = file.seekg(at).get();
    file.seekp(at).put(static_cast<char>(byte ^ 1));
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(tree_.create(kRootInode, "g" + std::to_string(i)).ok());
    Status done = store_->checkpoint();
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code(), Code::kCorrupt) << done.error().to_string();
    EXPECT_THAT(segments(), testing::IsSupersetOf(before));
  }
  crash();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(dump(*store_), tree_.reference.dump());
}

TEST_F(RecoveryTest, OrphansAreRemovedAndTheirRemovalIsLogged) {
  InodeId gone = *tree_.create(kRootInode, "gone"), kept = *tree_.create(kRootInode, "kept");
  ASSERT_TRUE(tree_.write(gone, {0, 100}).ok());
  ASSERT_TRUE(tree_.set_xattr(gone, "user.a", "1").ok());
  ASSERT_TRUE(tree_.unlink(kRootInode, "gone", true).ok());
  {
    MutexLock lock(store_->mutex());
    EXPECT_TRUE(store_->inode(lock, gone).ok());
    EXPECT_EQ(store_->totals().inodes, 2u) << "an orphan does not count";
  }
  crash();
  ASSERT_TRUE(reopen().ok());
  MutexLock lock(store_->mutex());
  EXPECT_EQ(store_->inode(lock, gone).error().code(), Code::kNotFound);
  EXPECT_TRUE(store_->inode(lock, kept).ok());
  lock.unlock();
  EXPECT_EQ(store_->pending().files, 0u);
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
}

/// What was given up and fetched again was fetched at each start, for the note that it had gone stood behind the last record.
TEST_F(RecoveryTest, ARangeThatWentAndCameBackIsThere) {
  InodeId file = *tree_.create(kRootInode, "f");
  ASSERT_TRUE(tree_.write(file, {0, 100}).ok());
  const std::vector<Extent> all{{0, 300}};
  for (int start = 0; start < 3; ++start) {
    {
      MutexLock lock(store_->mutex());
      if (start > 0) {
        EXPECT_EQ(store_->content(lock, file)->valid.all(), all) << start;
      }
      ASSERT_TRUE(store_->note_content(lock, file, {100, 300}, true).ok());
      if (start == 0) {
        ASSERT_TRUE(store_->note_content(lock, file, {100, 300}, false).ok());
        ASSERT_TRUE(store_->note_content(lock, file, {100, 300}, true).ok());
      }
    }
    ASSERT_TRUE(store_->close().ok());
    ASSERT_TRUE(reopen().ok());
  }
}

TEST_F(RecoveryTest, ValidRangesAreForgottenAfterAPowerCutOnly) {
  InodeId file = *tree_.create(kRootInode, "f");
  ASSERT_TRUE(tree_.write(file, {0, 100}).ok());
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_content(lock, file, {100, 300}, true).ok());
  }
  ASSERT_TRUE(store_->checkpoint().ok());
  auto valid = [&] {
    MutexLock lock(store_->mutex());
    return store_->content(lock, file)->valid.all();
  };
  std::vector<Extent> all{{0, 300}}, dirty{{0, 100}};
  crash();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(valid(), all) << "killed: the kernel kept the bytes";
  ASSERT_TRUE(store_->close().ok());
  options_.boot_id = "boot-2";
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(valid(), all) << "closed in good order";
  crash();
  options_.boot_id = "boot-3";
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(valid(), dirty) << "power cut";
  EXPECT_EQ(store_->pending().bytes, 100u);
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
}

// The second start after a power cut once took everything for never offered, or all of it for offered.
TEST_F(RecoveryTest, WhatWasOfferedIsKnownThroughPowerCuts) {
  ASSERT_TRUE(reopen().ok());
  InodeId file = *tree_.create(kRootInode, "f");
  ASSERT_TRUE(tree_.write(file, {0, 100}).ok());
  const Lsn sent = store_->last_lsn();
  Hash256 body, other;
  body.value[0] = 1;
  ASSERT_TRUE(store_->note_offered(sent, body).ok());
  InodeId later = *tree_.create(kRootInode, "later");
  ASSERT_TRUE(tree_.write(later, {0, 100}).ok());
  for (const char* boot : {"boot-2", "boot-3"}) {
    crash();
    options_.boot_id = boot;
    ASSERT_TRUE(reopen().ok());
    EXPECT_TRUE(store_->has_offered(sent, body)) << boot;
    EXPECT_FALSE(store_->has_offered(sent, other)) << "another state of this device used the number";
    EXPECT_FALSE(store_->has_offered(store_->last_lsn(), body)) << "never sent";
    MutexLock lock(store_->mutex());
    EXPECT_TRUE(store_->may_come_back(lock, *store_->inode(lock, file)));
    EXPECT_FALSE(store_->may_come_back(lock, *store_->inode(lock, later)));
  }
}

// Made here, offered, written, deleted: the answer to the offer may still be on its way, and with it another's edit, which
// undoes the deletion. A start in between once erased the bytes of the write.
TEST_F(RecoveryTest, AnOrphanThatWasOfferedStaysThroughAStart) {
  ASSERT_TRUE(reopen().ok());
  InodeId offered = *tree_.create(kRootInode, "offered"), never = *tree_.create(kRootInode, "never");
  const Lsn sent{store_->last_lsn().value - 1};
  ASSERT_TRUE(store_->note_offered(sent, Hash256{}).ok());
  for (InodeId inode : {offered, never}) ASSERT_TRUE(tree_.write(inode, {0, 100}).ok());
  ASSERT_TRUE(tree_.unlink(kRootInode, "offered", true).ok());
  ASSERT_TRUE(tree_.unlink(kRootInode, "never", true).ok());
  crash();
  ASSERT_TRUE(reopen().ok());
  MutexLock lock(store_->mutex());
  EXPECT_TRUE(store_->inode(lock, offered).ok());
  EXPECT_TRUE(store_->content(lock, offered)->valid.contains({0, 100}));
  EXPECT_FALSE(store_->inode(lock, never).ok());
}

// A rename that somebody else was faster with comes to nothing: what it replaced comes back. Not so after a save.
TEST_F(RecoveryTest, WhatARenameReplacedStaysThroughAStart) {
  ASSERT_TRUE(reopen().ok());
  InodeId older = *tree_.create(kRootInode, "older");
  InodeId replaced = *tree_.create(kRootInode, "replaced"), saved = *tree_.create(kRootInode, "saved");
  for (InodeId inode : {replaced, saved}) ASSERT_TRUE(tree_.write(inode, {0, 100}).ok());
  InodeId fresh = *tree_.create(kRootInode, "fresh");
  auto rename = [&](InodeId inode, const std::string& from, InodeId over, const std::string& to) {
    MutexLock lock(store_->mutex());
    InodeRow row = *store_->inode(lock, over);
    Change change = store_->begin(lock, RenameIntent{kRootInode, from, kRootInode, to, inode, {}, over, row.content, true, false});
    row.links = 0;
    change.erase_dentry(kRootInode, from);
    change.put(DentryRow{kRootInode, to, inode, FileType::kFile, 0, {}});
    change.put(row);
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  };
  rename(older, "older", replaced, "replaced");
  rename(fresh, "fresh", saved, "saved");
  for (int start = 0; start < 2; ++start) {
    {
      MutexLock lock(store_->mutex());
      ASSERT_TRUE(store_->inode(lock, replaced).ok()) << start;
      EXPECT_TRUE(store_->may_come_back(lock, *store_->inode(lock, replaced)));
      EXPECT_TRUE(store_->content(lock, replaced)->valid.contains({0, 100}));
      if (start == 0) EXPECT_FALSE(store_->may_come_back(lock, *store_->inode(lock, saved)));
      else EXPECT_FALSE(store_->inode(lock, saved).ok());
    }
    ASSERT_TRUE(store_->checkpoint().ok());
    crash();
    ASSERT_TRUE(reopen().ok());
  }
  ASSERT_TRUE(store_->acknowledge(store_->last_lsn()).ok());
  MutexLock lock(store_->mutex());
  auto row = store_->inode(lock, replaced);
  EXPECT_TRUE(!row.ok() || !store_->may_come_back(lock, *row));
}

TEST_F(RecoveryTest, SegmentsGoWhenCheckpointedAndAcknowledged) {
  options_.segment_bytes = 2000;
  ASSERT_TRUE(reopen().ok());
  auto segments = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
      count += parse_segment_name(entry.path().filename().string()).has_value();
    return count;
  };
  Sequence sequence;
  auto commit = [&](Lsn up_to) {
    const Lsn from = store_->position().acknowledged;
    std::vector<TreeEffect> effects{AttributeEffect{kRootInode, kFieldMtime, tree_.reference.inodes.at(kRootInode).row.attributes}};
    for (const auto& [key, dentry] : tree_.reference.dentries) {
      const std::uint64_t made = counter_of(dentry.inode);
      if (made <= from.value || made > up_to.value) continue;
      effects.push_back(NewEffect{dentry.inode, tree_.reference.inodes.at(dentry.inode).row.attributes, ""});
      effects.push_back(LinkEffect{key.first, key.second, dentry.inode});
    }
    return store_->apply_commit(Sequence{++sequence.value}, {}, effects, up_to).ok();
  };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(tree_.create(kRootInode, "f" + std::to_string(i)).ok());
  std::size_t before = segments();
  ASSERT_GT(before, 4u);
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(segments(), before) << "not at the server yet";
  ASSERT_TRUE(commit(Lsn{store_->last_lsn().value - 20}));
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_LT(segments(), before);
  EXPECT_GT(segments(), 1u);
  EXPECT_EQ(store_->records_after(store_->position().acknowledged, 1000, 1 << 20)->size(), 20u);
  ASSERT_TRUE(commit(store_->last_lsn()));
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(segments(), 1u);
  crash();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(dump(*store_), tree_.reference.dump());
  EXPECT_EQ(store_->pending().records, 0u);
}

// ---- file data in the log ----

class LogDataTest : public RecoveryTest {
 protected:
  void log_write(InodeId file, std::uint64_t offset, const std::string& text) {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, LocalIntent{});
    change.mark_content(file, {offset, offset + text.size()}, true, true);
    change.log_data(file, offset, to_bytes(text));
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  std::string replayed_text(InodeId file, std::size_t size) {
    std::string text(size, '.');
    for (auto& [inode, offset, bytes] : replay_.replayed)
      if (inode == file) text.replace(offset, bytes.size(), bytes);
    return text;
  }
};

TEST_F(LogDataTest, IsReplayedInOrderAfterACrash) {
  InodeId file = *tree_.create(kRootInode, "f");
  log_write(file, 0, "aaaa");
  log_write(file, 2, "bb");
  crash();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(replayed_text(file, 6), "aabb..");
}

TEST_F(LogDataTest, IsNotPutOverLaterWritesThatBypassedTheLog) {
  InodeId file = *tree_.create(kRootInode, "f");
  log_write(file, 0, "aaaaaaaa");
  ASSERT_TRUE(tree_.write(file, {2, 4}).ok());
  ASSERT_TRUE(tree_.truncate(file, 6).ok());
  crash();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(replayed_text(file, 8), "aa..aa..");
}

// After a power cut the later write may be missing; what was synced through the log must not be.
TEST_F(LogDataTest, GoesOverUnsyncedWritesAfterAPowerCutButNotOverWhatWasCutOff) {
  InodeId file = *tree_.create(kRootInode, "f");
  log_write(file, 0, "aaaaaaaa");
  ASSERT_TRUE(tree_.write(file, {2, 4}).ok());
  ASSERT_TRUE(tree_.truncate(file, 6).ok());
  crash();
  options_.boot_id = "boot-2";
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(replayed_text(file, 8), "aaaaaa..");
}

TEST_F(LogDataTest, IsNotPutOverAFileThatWasSyncedSince) {
  InodeId file = *tree_.create(kRootInode, "f"), second = *tree_.create(kRootInode, "g");
  log_write(file, 0, "aaaa");
  log_write(second, 0, "bbbb");
  ASSERT_TRUE(tree_.write(file, {2, 4}).ok());
  ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_data_durable(lock, file, store_->last_lsn()).ok());
  }
  ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
  log_write(file, 0, "c");
  crash();
  options_.boot_id = "boot-2";
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(replayed_text(file, 4), "c...");
  EXPECT_EQ(replayed_text(second, 4), "bbbb");
}

TEST_F(LogDataTest, ACheckpointMakesTheBackingFileDurableFirst) {
  InodeId file = *tree_.create(kRootInode, "f");
  log_write(file, 0, "aaaa");
  replay_.fail = true;
  EXPECT_FALSE(store_->checkpoint().ok());
  replay_.fail = false;
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_THAT(replay_.durable, testing::ElementsAre(file));
  crash();
  replay_.replayed.clear();
  ASSERT_TRUE(reopen().ok());
  EXPECT_THAT(replay_.replayed, testing::IsEmpty());
}

// A commit that checkpoints by itself cannot sync backing files: the data must stay replayable.
TEST_F(LogDataTest, SurvivesACheckpointThatACommitHadToMake) {
  options_.max_unchecked_records = 5;
  ASSERT_TRUE(reopen().ok());
  InodeId file = *tree_.create(kRootInode, "f");
  log_write(file, 0, "aaaa");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(tree_.chmod(file, static_cast<std::uint32_t>(i)).ok());
  crash();
  replay_.replayed.clear();
  ASSERT_TRUE(reopen().ok());
  EXPECT_EQ(replayed_text(file, 4), "aaaa");
}

}  // namespace
}  // namespace skymoor::client
