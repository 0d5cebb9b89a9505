// The confirmed tree: feed entries on clean and on pending objects, listings, re-plans, the dead.
#include "fuse/journal/confirmed/confirmed_edit.h"
#include "journal_support.h"

namespace skymoor::client {
namespace {

constexpr WriterId kOther{2};
InodeId other(std::uint64_t n) { return make_inode_id(kOther, n); }

class ConfirmedTest : public testing::Test {
 protected:
  void SetUp() override {
    reopen();
    ASSERT_TRUE(tree_.make_root().ok());
    ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{0}, {.inode = root_row()}, {}, true).ok());
  }
  void TearDown() override {
    if (store_) {
      EXPECT_THAT(*store_->check(), testing::IsEmpty());
    }
  }
  void reopen() {
    store_.reset();
    auto store = MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    store_ = std::move(*store);
    tree_.use(*store_);
  }
  static InodeRow root_row(std::uint64_t version = 0) {
    InodeRow root = Reference().inodes.at(kRootInode).row;
    root.version = Sequence{version};
    return root;
  }
  VisibleChanges feed(std::vector<TreeEffect> effects, Lsn own = {}) {
    auto changes = store_->apply_commit(Sequence{++sequence_}, hash_, effects, own);
    EXPECT_TRUE(changes.ok()) << changes.error().to_string();
    return changes.ok() ? *changes : VisibleChanges{};
  }
  // A file of another device, known here and clean.
  InodeId remote_file(const std::string& name, int block = 1) {
    InodeId id = other(++counter_);
    feed({NewEffect{id, {}, ""}, LinkEffect{kRootInode, name, id},
          PutEffect{id, {kOther, 1000 + counter_}, 2000, {}, {}, text_manifest(2000, {block, 9})}});
    return id;
  }
  std::optional<InodeRow> row(InodeId id) {
    MutexLock lock(store_->mutex());
    auto found = store_->inode(lock, id);
    return found.ok() ? std::optional<InodeRow>(*found) : std::nullopt;
  }
  InodeId at(const std::string& name, InodeId directory = kRootInode) {
    MutexLock lock(store_->mutex());
    auto found = store_->dentry(lock, directory, name);
    return found.ok() ? found->inode : InodeId{};
  }
  ContentRow content(InodeId id) {
    MutexLock lock(store_->mutex());
    return *store_->content(lock, id);
  }
  std::unique_ptr<MetadataStore::Confirmed> confirmed() { return std::move(*store_->confirmed()); }
  // A record as the filesystem makes it, without the reference's help.
  Lsn change(Intent intent, const std::function<void(const MutexLock&, Change&)>& body) {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, std::move(intent));
    Lsn lsn = change.lsn();
    body(lock, change);
    EXPECT_TRUE(store_->commit(lock, std::move(change)).ok());
    return lsn;
  }
  Lsn write(InodeId id, Extent extent) {
    OpId seen = row(id)->content;
    return change(WriteIntent{id, seen}, [&](const MutexLock& lock, Change& c) {
      InodeRow r = *store_->inode(lock, id);
      r.content = {test_identity().writer, c.lsn().value};
      r.attributes.size = std::max(r.attributes.size, extent.end);
      c.put(r);
      c.mark_content(id, extent, true, true);
    });
  }
  Lsn unlink(const std::string& name) {
    InodeId id = at(name);
    return change(UnlinkIntent{kRootInode, name, id, true, row(id)->content}, [&](const MutexLock&, Change& c) {
      c.erase_dentry(kRootInode, name);
      c.erase_inode(id);
    });
  }
  OpId own(Lsn lsn) { return {test_identity().writer, lsn.value}; }

  TemporaryDirectory directory_;
  PosixDisk disk_;
  FakeClock clock_;
  MetadataStore::Options options_ = quiet_options(directory_.path());
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
  Hash256 hash_;
  std::uint64_t sequence_ = 0, counter_ = 0;
};

class Witness final : public ContentWitness {
 public:
  bool may_be_written(const MutexLock&, InodeId inode) override { return held == inode; }
  bool is_shown(const MutexLock&, InodeId inode) override { return held == inode; }
  InodeId held;
};

// A program has it open for writing, and no record says so yet.
TEST_F(ConfirmedTest, WhatMayBeWrittenIsReplacedByNothing) {
  const InodeId file = remote_file("f");
  const OpId before = row(file)->content;
  Witness witness;
  witness.held = file;
  {
    MutexLock lock(store_->mutex());
    store_->witness_contents(lock, &witness);
  }
  const TreeEffect put = PutEffect{file, {kOther, 5000}, 10, {}, {}, text_manifest(10, {3})};
  auto refused = [&](auto result) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), Code::kBusy);
    EXPECT_EQ(store_->held_back(), file);
    EXPECT_EQ(row(file)->content, before);
  };
  const Sequence next{sequence_ + 1};
  refused(store_->apply_commit(next, hash_, {put}, {}));
  refused(store_->apply_commit(next, hash_, {UnlinkEffect{kRootInode, "f", file}}, {}));
  // Its names may change, and what is the same may be told again.
  feed({UnlinkEffect{kRootInode, "f", file}, LinkEffect{kRootInode, "g", file}});
  EXPECT_EQ(at("g"), file);
  EXPECT_FALSE(store_->held_back());

  // Beside a pending change of attributes it waits, until everything is planned anew.
  change(AttributeIntent{file, kFieldMode}, [&](const MutexLock& lock, Change& c) {
    InodeRow r = *store_->inode(lock, file);
    r.attributes.mode = 0600;
    c.put(r);
  });
  feed({put});
  EXPECT_EQ(row(file)->content, before);
  auto nothing = [](const MutexLock&, const LogRecord&) -> Result<std::vector<RowChange>> {
    return std::vector<RowChange>();
  };
  refused(store_->rebase(nothing));

  // A record that it was written stands against it; without a witness nothing does.
  const Lsn written = write(file, {0, 10});
  ++sequence_;
  auto applied = store_->apply_commit(Sequence{sequence_}, hash_, {PutEffect{file, {kOther, 5001}, 10, {}, {}, text_manifest(10, {4})}}, {});
  ASSERT_TRUE(applied.ok()) << applied.error().to_string();
  EXPECT_TRUE(applied->replan);
  EXPECT_EQ(row(file)->content, own(written));
  MutexLock lock(store_->mutex());
  store_->witness_contents(lock, nullptr);
}

TEST_F(ConfirmedTest, ForeignCommitShowsWhereNothingIsPending) {
  hash_.value[0] = 7;
  InodeId dir = other(50), file = other(51);
  Attributes directory;
  directory.type = FileType::kDirectory;
  VisibleChanges changes = feed({NewEffect{dir, directory, ""}, LinkEffect{kRootInode, "d", dir}, NewEffect{file, {}, ""},
                                 LinkEffect{dir, "f", file}, XattrEffect{file, "user.x", "v"_bytes}});
  EXPECT_FALSE(changes.replan);
  EXPECT_EQ(changes.names.size(), 2u);
  EXPECT_EQ(at("f", dir), file);
  EXPECT_EQ(row(kRootInode)->links, 3u);
  EXPECT_EQ(row(dir)->links, 2u);
  EXPECT_TRUE(row(dir)->listed) << "every name in it came through the feed";
  EXPECT_EQ(row(file)->version, Sequence{1});
  EXPECT_EQ(store_->position().cursor, Sequence{1});
  EXPECT_EQ(store_->position().hash, hash_);
  for (int round = 0; round < 2; ++round) {
    MutexLock lock(store_->mutex());
    EXPECT_EQ(*store_->xattr(lock, file, "user.x"), "v"_bytes);
    EXPECT_EQ(store_->totals().inodes, 3u);
    lock.unlock();
    reopen();
  }
  changes = feed({UnlinkEffect{dir, "f", file}, UnlinkEffect{kRootInode, "d", dir}});
  EXPECT_THAT(changes.dead, testing::UnorderedElementsAre(dir, file));
  EXPECT_EQ(row(file)->links, 0u) << "stays for whoever has it open";
  EXPECT_FALSE(at("d"));
  EXPECT_EQ(row(kRootInode)->links, 2u);
}

TEST_F(ConfirmedTest, FeedEntriesComeInOrderAndOnce) {
  InodeId file = remote_file("f");
  EXPECT_EQ(store_->apply_commit(Sequence{sequence_ + 2}, {}, {}, {}).error().code(), Code::kResync);
  auto again = store_->apply_commit(Sequence{1}, {}, {UnlinkEffect{kRootInode, "f", file}}, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(at("f"), file) << "applied already";
}

TEST_F(ConfirmedTest, ForeignPutOnACleanFileKeepsEqualChunks) {
  InodeId file = remote_file("f", 1);
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_content(lock, file, {0, 2000}, true).ok());
  }
  VisibleChanges changes = feed({PutEffect{file, {kOther, 77}, 2000, {}, {}, text_manifest(2000, {2, 9})}});
  EXPECT_THAT(changes.contents, testing::ElementsAre(file));
  EXPECT_EQ(content(file).valid.all(), (std::vector<Extent>{{1000, 2000}}));
  EXPECT_EQ(content(file).manifest, text_manifest(2000, {2, 9}));
  EXPECT_EQ(content(file).manifest_content, (OpId{kOther, 77}));
}

TEST(KeptRanges, OnlyEqualChunksAtEqualPlaces) {
  ExtentSet all;
  all.add({0, 3000});
  ManifestRow before{{kOther, 1}, text_manifest(3000, {1, 2, 3})};
  EXPECT_EQ(kept_ranges(all, before, {{kOther, 2}, text_manifest(3000, {1, 5, 3})}).all(),
            (std::vector<Extent>{{0, 1000}, {2000, 3000}}));
  EXPECT_TRUE(kept_ranges(all, before, {{kOther, 2}, text_manifest(6000, {1, 2, 3})}).empty()) << "other lengths";
  EXPECT_EQ(kept_ranges(all, before, {{kOther, 1}, {}}), all) << "the same content";
  EXPECT_EQ(kept_ranges(all, before, {{kOther, 2}, before.manifest}), all) << "the same manifest";
  EXPECT_TRUE(kept_ranges(all, before, {{kOther, 2}, "garbage"_bytes}).empty());
  ManifestRow inlined{{kOther, 1}, encode_manifest(Manifest{3, "abc"_bytes, {}})};
  EXPECT_TRUE(kept_ranges(all, inlined, {{kOther, 2}, encode_manifest(Manifest{3, "abd"_bytes, {}})}).empty());
}

TEST_F(ConfirmedTest, OwnCommitMakesWhatItCoversClean) {
  InodeId file = *tree_.create(kRootInode, "f");
  Lsn written = write(file, {0, 100});
  EXPECT_EQ(store_->pending().files, 1u);
  Bytes manifest = text_manifest(100, {1});
  const Attributes as_recorded = row(file)->attributes;
  VisibleChanges changes = feed({NewEffect{file, as_recorded, ""}, LinkEffect{kRootInode, "f", file},
                                 PutEffect{file, own(written), 100, as_recorded.mtime, as_recorded.ctime, manifest},
                                 AttributeEffect{kRootInode, kFieldMtime | kFieldCtime, row(kRootInode)->attributes}},
                                written);
  EXPECT_TRUE(changes.names.empty() && changes.attributes.empty() && changes.contents.empty() && !changes.replan);
  EXPECT_EQ(store_->pending().records, 0u);
  EXPECT_EQ(store_->pending().files, 0u);
  EXPECT_EQ(content(file).manifest, manifest);
  EXPECT_TRUE(content(file).dirty.empty());
  EXPECT_TRUE(content(file).valid.contains({0, 100}));
  EXPECT_EQ(row(file)->version, Sequence{1});
  auto tree = confirmed();
  EXPECT_EQ((*tree->inode(file))->content, own(written));
  EXPECT_EQ(tree->content(file)->manifest, manifest);
}

TEST_F(ConfirmedTest, OwnCommitOfAFileWrittenSinceLeavesItDirty) {
  InodeId file = *tree_.create(kRootInode, "f");
  Lsn first = write(file, {0, 100});
  Lsn second = write(file, {50, 200});
  Bytes manifest = text_manifest(100, {1});
  feed({NewEffect{file, {}, ""}, LinkEffect{kRootInode, "f", file}, PutEffect{file, own(first), 100, {}, {}, manifest}}, first);
  EXPECT_EQ(content(file).dirty.all(), (std::vector<Extent>{{0, 200}}));
  EXPECT_EQ(store_->pending().records, 1u);
  for (int round = 0; round < 2; ++round) {
    auto tree = confirmed();
    EXPECT_EQ((*tree->inode(file))->content, own(first));
    EXPECT_EQ((*tree->inode(file))->attributes.size, 100u);
    EXPECT_EQ(tree->content(file)->manifest, manifest);
    EXPECT_EQ(row(file)->content, own(second));
    tree.reset();
    reopen();
  }
  Bytes newer = text_manifest(200, {1, 2});
  feed({PutEffect{file, own(second), 200, {}, {}, newer}}, second);
  EXPECT_TRUE(content(file).dirty.empty());
  EXPECT_EQ(content(file).manifest, newer);
}

// A file opened for unseen writing is marked without a new content id: an acknowledgement of what it was must not clear
// the mark.
TEST_F(ConfirmedTest, OwnCommitDoesNotCleanWhatWasMarkedSince) {
  InodeId file = *tree_.create(kRootInode, "f");
  Lsn written = write(file, {0, 100});
  change(LocalIntent{}, [&](const MutexLock&, Change& c) { c.mark_content(file, {0, 100}, true, true); });
  feed({NewEffect{file, {}, ""}, LinkEffect{kRootInode, "f", file},
        PutEffect{file, own(written), 100, {}, {}, text_manifest(100, {1})}},
       written);
  EXPECT_FALSE(content(file).dirty.empty());
}

TEST_F(ConfirmedTest, AcknowledgedWithoutACommit) {
  ASSERT_TRUE(tree_.create(kRootInode, "t").ok());
  ASSERT_TRUE(tree_.unlink(kRootInode, "t").ok());
  ASSERT_TRUE(store_->acknowledge(store_->last_lsn()).ok());
  EXPECT_EQ(store_->pending().records, 0u);
  EXPECT_EQ(store_->position().cursor, Sequence{0});
}

// ---- pending objects ----

TEST_F(ConfirmedTest, ForeignChangesOfPendingObjectsWaitInTheConfirmedTree) {
  InodeId file = remote_file("f");
  Lsn written = write(file, {0, 10});
  ASSERT_TRUE(tree_.create(kRootInode, "mine").ok());
  for (bool checkpointed : {false, true}) {
    if (checkpointed) {
      ASSERT_TRUE(store_->checkpoint().ok());
    }
    OpId news{kOther, checkpointed ? 501u : 500u};
    VisibleChanges changes = feed({PutEffect{file, news, 3000, {}, {}, text_manifest(3000, {4})}});
    EXPECT_TRUE(changes.replan);
    EXPECT_TRUE(changes.contents.empty());
    EXPECT_EQ(row(file)->content, own(written)) << "the local write still shows";
    EXPECT_EQ(content(file).manifest, text_manifest(2000, {1, 9})) << "over what it was made on";
    auto tree = confirmed();
    EXPECT_EQ((*tree->inode(file))->content, news);
    EXPECT_EQ(tree->content(file)->manifest, text_manifest(3000, {4}));
  }
  InodeId theirs = other(700);
  EXPECT_TRUE(feed({NewEffect{theirs, {}, ""}, LinkEffect{kRootInode, "mine", theirs}}).replan);
  EXPECT_NE(at("mine"), theirs);
  EXPECT_EQ(**confirmed()->dentry(kRootInode, "mine"), theirs);
  reopen();
  EXPECT_NE(at("mine"), theirs);
  EXPECT_EQ(**confirmed()->dentry(kRootInode, "mine"), theirs);
}

/// A file that was moved elsewhere showed there under a name that its row, unlinked here, did not count: a write by that
/// name was taken for one to an unlinked file, and never sent.
TEST_F(ConfirmedTest, ForeignNamesOfPendingInodesWaitWithThem) {
  InodeId file = remote_file("f");
  change(UnlinkIntent{kRootInode, "f", file, true, row(file)->content}, [&](const MutexLock& lock, Change& c) {
    InodeRow r = *store_->inode(lock, file);
    r.links = 0;
    c.erase_dentry(kRootInode, "f");
    c.put(r);
  });
  for (bool again : {false, true}) {
    EXPECT_TRUE(feed({UnlinkEffect{kRootInode, again ? "g" : "f", file}, LinkEffect{kRootInode, again ? "h" : "g", file}}).replan);
    EXPECT_EQ(row(file)->links, 0u);
    EXPECT_FALSE(at(again ? "h" : "g"));
    EXPECT_EQ(**confirmed()->dentry(kRootInode, again ? "h" : "g"), file);
    EXPECT_THAT(*store_->check(), testing::IsEmpty());
    reopen();
  }
  EXPECT_FALSE(confirmed()->dentry(kRootInode, "g")->has_value());
  EXPECT_EQ(confirmed()->links(file)->size(), 1u);
  auto nothing = [](const MutexLock&, const LogRecord&) -> Result<std::vector<RowChange>> {
    return std::vector<RowChange>{};
  };
  ASSERT_TRUE(store_->rebase(nothing).ok());
  EXPECT_EQ(at("h"), file);
  EXPECT_EQ(row(file)->links, 1u);
}

TEST_F(ConfirmedTest, NamesThatWaitedForTheirInodesShowWithTheAcknowledgement) {
  InodeId file = remote_file("f"), kept = remote_file("k");
  const auto write_both = [&] {
    write(file, {0, 10});
    return write(kept, {0, 10});
  };
  const Lsn first = write_both();
  EXPECT_TRUE(feed({UnlinkEffect{kRootInode, "f", file}, LinkEffect{kRootInode, "g", file}, LinkEffect{kRootInode, "l", kept}}).replan);
  EXPECT_EQ(at("f"), file);
  EXPECT_FALSE(at("g"));
  const Lsn second = write_both();
  const auto put = [&](InodeId id, std::uint64_t lsn) {
    return PutEffect{id, own(Lsn{lsn}), 2000, {}, {}, text_manifest(2000, {6})};
  };
  EXPECT_TRUE(feed({put(file, first.value - 1), put(kept, first.value)}, first).replan);
  EXPECT_EQ(at("f"), file) << "written again since";
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  feed({put(file, second.value - 1), put(kept, second.value)}, second);
  EXPECT_FALSE(at("f"));
  EXPECT_EQ(at("g"), file);
  EXPECT_EQ(at("l"), kept);
  EXPECT_EQ(row(kept)->links, 2u);
}

TEST_F(ConfirmedTest, ForeignPutUnderUnseenWritesWaits) {
  InodeId file = remote_file("f");
  change(LocalIntent{}, [&](const MutexLock&, Change& c) { c.mark_content(file, {0, 2000}, true, true); });
  OpId before = row(file)->content;
  EXPECT_TRUE(feed({PutEffect{file, {kOther, 500}, 3000, {}, {}, text_manifest(3000, {4})}}).replan);
  EXPECT_EQ(row(file)->content, before);
  EXPECT_EQ(content(file).manifest, text_manifest(2000, {1, 9}));
  EXPECT_EQ((*confirmed()->inode(file))->content, (OpId{kOther, 500}));
}

TEST_F(ConfirmedTest, RemovedHereAndChangedThere) {
  InodeId file = remote_file("f");
  unlink("f");
  for (int round = 0; round < 2; ++round) {
    Attributes values;
    values.mode = 0123 + static_cast<std::uint32_t>(round);
    EXPECT_TRUE(feed({AttributeEffect{file, kFieldMode, values}}).replan);
    EXPECT_FALSE(at("f"));
    EXPECT_FALSE(row(file));
    EXPECT_EQ((*confirmed()->inode(file))->attributes.mode, values.mode);
    EXPECT_EQ(**confirmed()->dentry(kRootInode, "f"), file);
    EXPECT_EQ(confirmed()->content(file)->manifest, text_manifest(2000, {1, 9}));
    ASSERT_TRUE(store_->checkpoint().ok());
  }
}

TEST_F(ConfirmedTest, TheDeadStayReadableWhileAnythingIsPending) {
  InodeId file = remote_file("f");
  Lsn pending = write(file, {0, 10});
  EXPECT_TRUE(feed({UnlinkEffect{kRootInode, "f", file}}).replan);
  auto tree = confirmed();
  auto dead = *tree->inode(file);
  ASSERT_TRUE(dead.has_value());
  EXPECT_EQ(dead->links, 0u);
  EXPECT_EQ(dead->parent, kRootInode);
  EXPECT_EQ((*tree->last_place(file))->name, "f");
  EXPECT_FALSE(tree->dentry(kRootInode, "f")->has_value());
  // The edit wins: linked again, with the new content.
  feed({LinkEffect{kRootInode, "f", file}, PutEffect{file, own(pending), 2000, {}, {}, text_manifest(2000, {6})}}, pending);
  EXPECT_EQ(at("f"), file);
  EXPECT_EQ(row(file)->links, 1u);
  tree = confirmed();
  EXPECT_EQ((*tree->inode(file))->links, 1u);
  EXPECT_FALSE(tree->last_place(file)->has_value());
}

TEST_F(ConfirmedTest, TheDeadAreForgottenOnceTheirRecordsAreAcknowledged) {
  InodeId file = remote_file("f");
  InodeId mine = *tree_.create(kRootInode, "mine");
  Lsn last = store_->last_lsn();
  feed({UnlinkEffect{kRootInode, "f", file}});
  EXPECT_TRUE(confirmed()->last_place(file)->has_value());
  feed({NewEffect{mine, {}, ""}, LinkEffect{kRootInode, "mine", mine}}, last);
  EXPECT_FALSE(confirmed()->last_place(file)->has_value());
  EXPECT_FALSE(confirmed()->inode(file)->has_value());
}

// Another device has put one of them over the other, and the one has pending changes: both show where they were until the re-plan.
// Who wrote into the one that is dead by then wrote into a file that counted no name: nobody was to see that again.
TEST_F(ConfirmedTest, WhatShowsCountsItsNames) {
  InodeId moved = remote_file("b"), replaced = remote_file("d");
  const Lsn pending = write(moved, {0, 10});
  EXPECT_TRUE(feed({UnlinkEffect{kRootInode, "b", moved}, UnlinkEffect{kRootInode, "d", replaced}, LinkEffect{kRootInode, "d", moved}}).replan);
  EXPECT_EQ(at("b"), moved);
  EXPECT_EQ(at("d"), replaced);
  EXPECT_EQ(row(replaced)->links, 1u);
  EXPECT_EQ(row(moved)->links, 1u);
  EXPECT_EQ((*confirmed()->inode(replaced))->links, 0u);
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  reopen();
  EXPECT_EQ(row(replaced)->links, 1u);
  const Lsn later = write(replaced, {0, 10});
  feed({}, pending);
  EXPECT_EQ(row(replaced)->links, 1u);
  ASSERT_TRUE(store_->rebase([](const MutexLock&, const LogRecord&) { return Result<std::vector<RowChange>>({}); }).ok());
  EXPECT_EQ(at("d"), moved);
  EXPECT_FALSE(at("b"));
  EXPECT_EQ((*confirmed()->inode(replaced))->links, 0u) << "the record about it needs to know what it was";
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  feed({}, later);
}

// Until the next re-plan it shows, and records are made about it: a link found nothing that it could be about, and stopped sending.
TEST_F(ConfirmedTest, TheDeadStayReadableForRecordsThatAreMadeWhileTheyStillShow) {
  InodeId file = remote_file("f");
  Lsn first = write(file, {0, 10});
  EXPECT_TRUE(feed({UnlinkEffect{kRootInode, "f", file}}).replan);
  ASSERT_EQ(row(file)->links, 1u);
  Lsn later = write(file, {20, 30});
  feed({}, first);
  EXPECT_TRUE(confirmed()->inode(file)->has_value());
  ASSERT_TRUE(store_->rebase([](const MutexLock&, const LogRecord&) { return Result<std::vector<RowChange>>({}); }).ok());
  EXPECT_TRUE(confirmed()->inode(file)->has_value());
  EXPECT_TRUE(confirmed()->last_place(file)->has_value());
  feed({}, later);
  EXPECT_FALSE(confirmed()->inode(file)->has_value());
}

// A name that led to nothing was there until the next acknowledgement: opening it answered ESTALE.
TEST_F(ConfirmedTest, ANameWaitsForTheInodeThatIsErasedHere) {
  InodeId file = remote_file("f");
  Lsn removed = unlink("f");
  ASSERT_FALSE(row(file));
  EXPECT_TRUE(feed({UnlinkEffect{kRootInode, "f", file}, LinkEffect{kRootInode, "g", file}}).replan);
  EXPECT_FALSE(at("g"));
  EXPECT_EQ(**confirmed()->dentry(kRootInode, "g"), file);
  feed({}, removed);
  EXPECT_EQ(at("g"), file);
  EXPECT_TRUE(row(file).has_value());
}

TEST_F(ConfirmedTest, AListedNameWaitsForTheInodeThatIsErasedHere) {
  InodeId file = remote_file("f");
  feed({UnlinkEffect{kRootInode, "f", file}});
  const Lsn erased = change(LocalIntent{}, [&](const MutexLock&, Change& c) { c.erase_inode(file); });
  MetadataStore::ListedRow listed;
  listed.name = "g";
  listed.inode.id = file;
  listed.inode.links = 1;
  listed.inode.version = Sequence{sequence_ + 1};
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{sequence_ + 1}, {.inode = root_row(sequence_ + 1)}, {listed}, true).ok());
  EXPECT_FALSE(at("g"));
  ASSERT_TRUE(store_->acknowledge(erased).ok());
  EXPECT_EQ(at("g"), file);
  EXPECT_EQ(row(file)->links, 1u);
}

/// A listing that came between the last re-plan and the commit had led to another name.
TEST_F(ConfirmedTest, OwnCommitThatPutSomethingElsewhereLeavesNoOtherName) {
  InodeId mine = *tree_.create(kRootInode, "mine"), merged = *tree_.create(kRootInode, "merged");
  Lsn last = store_->last_lsn();
  InodeId later = *tree_.create(kRootInode, "later");
  VisibleChanges changes = feed({NewEffect{mine, {}, ""}, LinkEffect{kRootInode, "mine (conflict)", mine}}, last);
  EXPECT_FALSE(at("mine"));
  EXPECT_EQ(at("mine (conflict)"), mine);
  EXPECT_FALSE(at("merged"));
  EXPECT_EQ(row(merged)->links, 0u);
  EXPECT_THAT(changes.dead, testing::ElementsAre(merged));
  EXPECT_EQ(at("later"), later);
}

TEST_F(ConfirmedTest, OwnNameThatTheCommitLeftOutWaitsForItsInode) {
  InodeId mine = *tree_.create(kRootInode, "mine");
  Lsn last = store_->last_lsn();
  write(mine, {0, 10});
  EXPECT_TRUE(feed({NewEffect{mine, {}, ""}, LinkEffect{kRootInode, "mine (conflict)", mine}}, last).replan);
  EXPECT_EQ(at("mine"), mine);
  EXPECT_FALSE(confirmed()->dentry(kRootInode, "mine")->has_value());
  EXPECT_EQ(**confirmed()->dentry(kRootInode, "mine (conflict)"), mine);
  reopen();
  EXPECT_FALSE(confirmed()->dentry(kRootInode, "mine")->has_value());
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
}

/// What the commit need not set, because it was so already, somebody else may have set before it came.
TEST_F(ConfirmedTest, AttributesAreTheServersOnceAcknowledged) {
  InodeId file = remote_file("f");
  Attributes values;
  values.mode = 0640;
  feed({AttributeEffect{file, kFieldMode, values}});
  const Lsn mine = change(AttributeIntent{file, kFieldMode}, [&](const MutexLock& lock, Change& c) {
    InodeRow r = *store_->inode(lock, file);
    r.attributes.ctime = Timestamp{std::chrono::seconds(1000)};
    c.put(r);
  });
  values.mode = 0600;
  feed({AttributeEffect{file, kFieldMode, values}});
  values.ctime = Timestamp{std::chrono::seconds(1000)};
  EXPECT_THAT(feed({AttributeEffect{file, kFieldCtime, values}}, mine).attributes, testing::ElementsAre(file));
  EXPECT_EQ(row(file)->attributes.mode, 0600u);
}

TEST_F(ConfirmedTest, OwnCommitThatLeftSomethingOutGivesWayToTheServer) {
  InodeId file = remote_file("f");
  Lsn removed = unlink("f");
  VisibleChanges changes = feed({}, removed);  // the planner dropped the removal
  EXPECT_EQ(at("f"), file);
  ASSERT_TRUE(row(file).has_value());
  EXPECT_EQ(content(file).manifest, text_manifest(2000, {1, 9}));
  EXPECT_EQ(changes.names.size(), 1u);
}

// ---- what is not known here ----

TEST_F(ConfirmedTest, UnlistedDirectoriesTakeOnlyWhatTheyKnow) {
  MetadataStore::ListedRow dir;
  dir.name = "d";
  dir.inode.id = other(60);
  dir.inode.attributes.type = FileType::kDirectory;
  dir.inode.links = 2;
  dir.inode.version = Sequence{1};
  sequence_ = 1;
  ASSERT_TRUE(store_->apply_commit(Sequence{1}, {}, {}, {}).ok());
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{1}, {.inode = root_row(1)}, {dir}, true).ok());
  VisibleChanges changes = feed({NewEffect{other(61), {}, ""}, LinkEffect{dir.inode.id, "x", other(61)},
                                 XattrEffect{other(61), "user.a", "1"_bytes}, UnlinkEffect{other(99), "y", other(98)}});
  EXPECT_TRUE(changes.names.empty());
  EXPECT_FALSE(row(other(61))) << "it comes with the listing";
  // Moved from there into a directory that is known: that one must be listed again.
  changes = feed({UnlinkEffect{dir.inode.id, "x", other(61)}, LinkEffect{kRootInode, "x", other(61)}});
  EXPECT_FALSE(row(kRootInode)->listed);
  MutexLock lock(store_->mutex());
  EXPECT_EQ(store_->dentry(lock, kRootInode, "x").error().code(), Code::kNotPresent);
  EXPECT_EQ(store_->dentry(lock, kRootInode, "d")->inode, dir.inode.id);
}

TEST_F(ConfirmedTest, ListingInPagesAndNewerThanTheCursor) {
  std::vector<MetadataStore::ListedRow> rows(2);
  rows[0].name = "a";
  rows[1].name = "b";
  for (int i = 0; i < 2; ++i) {
    auto& inode = rows[static_cast<std::size_t>(i)].inode;
    inode.id = other(70 + static_cast<std::uint64_t>(i));
    inode.links = 1;
    inode.version = Sequence{5};
    inode.content = {kOther, 70};
  }
  rows[0].xattrs = {{"user.k", "v"_bytes}};
  rows[0].manifest = text_manifest(10, {1});
  InodeId dir = other(69);
  InodeRow self;
  self.id = dir;
  self.attributes.type = FileType::kDirectory;
  self.links = 2;
  self.version = Sequence{5};
  ASSERT_TRUE(store_->merge_listing(dir, Sequence{5}, {.inode = self}, {rows[0]}, false).ok());
  EXPECT_FALSE(row(dir)->listed);
  auto changes = store_->merge_listing(dir, Sequence{5}, {.inode = self}, {rows[1]}, true, false);
  ASSERT_TRUE(changes.ok());
  EXPECT_TRUE(row(dir)->listed);
  EXPECT_EQ(at("a", dir), other(70));
  EXPECT_EQ(content(other(70)).manifest, text_manifest(10, {1}));
  {
    MutexLock lock(store_->mutex());
    EXPECT_EQ(*store_->xattr(lock, other(70), "user.k"), "v"_bytes);
    EXPECT_EQ(store_->list(lock, dir, 0, 10)->size(), 2u);
  }
  // The feed brings what the listing held already.
  feed({});
  feed({LinkEffect{dir, "gone-by-5", other(71)}, UnlinkEffect{dir, "a", other(70)}});
  EXPECT_EQ(at("a", dir), other(70));
  EXPECT_EQ(row(other(71))->links, 1u);
  feed({});
  feed({});
  feed({});
  feed({UnlinkEffect{dir, "a", other(70)}});
  EXPECT_FALSE(at("a", dir)) << "sequence 6 is news";
  EXPECT_EQ(store_->merge_listing(dir, Sequence{5}, {.inode = self}, rows, true).error().code(), Code::kConflict);
  ASSERT_TRUE(store_->check().ok());
  // Not under the root, so check() finds no fault but its missing name; put it there.
  MetadataStore::ListedRow in_root;
  in_root.name = "d";
  in_root.inode = self;
  InodeRow root = root_row(6);
  root.links = 3;
  ASSERT_TRUE(store_->merge_listing(kRootInode, Sequence{6}, {.inode = root}, {in_root}, true).ok());
}

TEST_F(ConfirmedTest, ACompleteListingEndsNamesThatItDoesNotHave) {
  remote_file("kept");
  remote_file("deleted before the listing");
  // Something from a part of the tree that is not known here comes into the root: it has to be listed again.
  feed({LinkEffect{kRootInode, "from afar", other(90)}});
  EXPECT_FALSE(row(kRootInode)->listed);
  EXPECT_EQ(confirmed()->dentry(kRootInode, "anything").error().code(), Code::kNotPresent);
  EXPECT_TRUE(confirmed()->dentry(kRootInode, "kept").ok());
  MetadataStore::ListedRow kept;
  kept.name = "kept";
  kept.inode = *row(at("kept"));
  const Sequence now{sequence_ + 2};  // two changes that the feed has not brought yet
  kept.inode.version = now;
  ASSERT_TRUE(store_->merge_listing(kRootInode, now, {.inode = root_row(now.value)}, {kept}, false, true).ok());
  // The first of them comes while the listing is under way.
  feed({UnlinkEffect{kRootInode, "deleted before the listing", at("deleted before the listing")}});
  ASSERT_TRUE(store_->merge_listing(kRootInode, now, {.inode = root_row(now.value)}, {}, true, false).ok());
  EXPECT_TRUE(at("kept"));
  EXPECT_FALSE(at("deleted before the listing"));
  feed({});
  feed({NewEffect{other(91), {}, ""}, LinkEffect{kRootInode, "after", other(91)}});
  EXPECT_TRUE(at("after"));
}

// A file deleted here, kept by another's edit, written, deleted by another and brought back by that write: the record of
// its first deletion took the bytes of the write with it, and zeros went to the server.
TEST_F(ConfirmedTest, ReplanKeepsTheBytesOfAnInodeThatAnEarlierRecordErased) {
  InodeId file = remote_file("f");
  const Lsn first = change(LocalIntent{}, [](const MutexLock&, Change&) {});
  const Lsn second = write(file, {0, 100});
  const InodeRow after = *row(file);
  auto changes = store_->rebase([&](const MutexLock&, const LogRecord& record) -> Result<std::vector<RowChange>> {
    if (record.lsn == first) return std::vector<RowChange>{EraseInode{file}};
    if (record.lsn == second) return std::vector<RowChange>{PutInode{after}, MarkContent{file, {0, 100}, true, true}};
    return std::vector<RowChange>{};
  });
  ASSERT_TRUE(changes.ok()) << changes.error().to_string();
  EXPECT_TRUE(content(file).valid.contains({0, 100}));
  EXPECT_TRUE(content(file).dirty.contains({0, 100}));
}

// Written and deleted here, the deletion known to the server; another device brings the file back with what it wrote. The
// bytes of the deleted one, which somebody may still have open, once stood over the other's.
TEST_F(ConfirmedTest, AnOrphanThatComesBackHasTheBytesOfTheOther) {
  InodeId file = remote_file("f");
  write(file, {0, 3});
  const Lsn gone = change(UnlinkIntent{kRootInode, "f", file, true, row(file)->content}, [&](const MutexLock& lock, Change& c) {
    InodeRow r = *store_->inode(lock, file);
    r.links = 0;
    c.erase_dentry(kRootInode, "f");
    c.put(r);
  });
  ASSERT_TRUE(tree_.create(kRootInode, "pending, so that the dead are remembered").ok());
  feed({UnlinkEffect{kRootInode, "f", file}}, gone);
  feed({LinkEffect{kRootInode, "f", file}, PutEffect{file, {kOther, 5000}, 2000, {}, {}, text_manifest(2000, {7, 8})}});
  EXPECT_EQ(row(file)->links, 1u);
  EXPECT_TRUE(content(file).dirty.empty());
  EXPECT_TRUE(content(file).valid.empty());
  EXPECT_EQ(content(file).manifest_content, (OpId{kOther, 5000}));
}

// Nothing is kept for a listing whose last page never comes, and the feed goes on as without it.
/// It was listed before the feed told of its move: its row kept the old parent for good.
TEST_F(ConfirmedTest, ADirectoryThatWasListedAheadIsWhereTheFeedPutsIt) {
  InodeId moved = other(60), into = other(61), last = other(62);
  Attributes directory;
  directory.type = FileType::kDirectory;
  feed({NewEffect{moved, directory, ""}, LinkEffect{kRootInode, "d", moved}, NewEffect{into, directory, ""},
        LinkEffect{kRootInode, "e", into}, NewEffect{last, directory, ""}, LinkEffect{kRootInode, "l", last}});
  MetadataStore::ListedRow self;
  self.name = "m";
  self.inode.id = moved;
  self.inode.attributes = directory;
  self.inode.links = 2;
  self.inode.version = Sequence{3};
  ASSERT_TRUE(store_->merge_listing(moved, Sequence{3}, self, {}, true).ok());
  feed({UnlinkEffect{kRootInode, "d", moved}, LinkEffect{into, "m", moved}});
  EXPECT_EQ(row(moved)->parent, into);
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  InodeRow listed = *row(last);
  listed.version = Sequence{3};
  listed.links = 3;
  ASSERT_TRUE(store_->merge_listing(last, Sequence{3}, {.inode = listed}, {self}, true).ok());
  EXPECT_EQ(row(moved)->parent, last);
  feed({UnlinkEffect{into, "m", moved}, LinkEffect{last, "m", moved}});
  EXPECT_EQ(row(moved)->parent, last);
}

/// Its row was ahead of the feed, its old name was not: whoever removed that took the last of its counted links, and what
/// he wrote under the new name counted as an unlinked file's.
TEST_F(ConfirmedTest, AFileThatWasListedAheadShowsNoMoreNamesThanItCounts) {
  InodeId file = remote_file("f"), twice = remote_file("a"), into = other(61), between = other(62);
  Attributes directory;
  directory.type = FileType::kDirectory;
  feed({NewEffect{into, directory, ""}, LinkEffect{kRootInode, "e", into}, NewEffect{between, directory, ""},
        LinkEffect{kRootInode, "i", between}, LinkEffect{kRootInode, "b", twice}});
  const auto listed = [&](InodeId id, std::uint64_t version) {
    MetadataStore::ListedRow entry;
    entry.name = id == file ? "m" : "c";
    entry.inode = *row(id);
    entry.inode.version = Sequence{version};
    return entry;
  };
  const Sequence ahead{sequence_ + 2};
  InodeRow self = *row(into);
  self.version = ahead;
  ASSERT_TRUE(store_->merge_listing(into, ahead, {.inode = self}, {listed(file, ahead.value), listed(twice, ahead.value)}, true).ok());
  EXPECT_EQ(at("m", into), file);
  EXPECT_FALSE(at("f")) << "that it is gone is certain";
  EXPECT_EQ(at("c", into), twice);
  EXPECT_NE(at("a") == twice, at("b") == twice);
  EXPECT_FALSE(row(kRootInode)->listed) << "which of the two is gone is not";
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  feed({UnlinkEffect{kRootInode, "f", file}, LinkEffect{between, "n", file}});
  EXPECT_FALSE(at("n", between)) << "moved on since";
  EXPECT_THAT(*store_->check(), testing::IsEmpty());
  feed({UnlinkEffect{between, "n", file}, LinkEffect{into, "m", file}, UnlinkEffect{kRootInode, "b", twice},
        LinkEffect{into, "c", twice}});
  EXPECT_EQ(at("m", into), file);
  EXPECT_EQ(row(file)->links, 1u);
  EXPECT_EQ(row(twice)->links, 2u);
}

TEST_F(ConfirmedTest, AListingThatIsBrokenOffLeavesNothing) {
  InodeId kept = remote_file("kept");
  feed({LinkEffect{kRootInode, "from afar", other(90)}});
  MetadataStore::ListedRow first;
  first.name = "kept";
  first.inode = *row(kept);
  const Sequence ahead{sequence_ + 3};
  ASSERT_TRUE(store_->merge_listing(kRootInode, ahead, {.inode = root_row(ahead.value)}, {first}, false, true).ok());
  store_->abandon_listing(kRootInode);
  feed({NewEffect{other(91), {}, ""}, LinkEffect{kRootInode, "not looked for", other(91)}});
  EXPECT_FALSE(at("not looked for")) << "the feed still fills a listing that nobody is making";
  feed({UnlinkEffect{kRootInode, "kept", kept}});
  EXPECT_FALSE(at("kept")) << "a page of the broken listing still speaks for the whole directory";
}

TEST_F(ConfirmedTest, ListingMeetsPendingNames) {
  InodeId mine = *tree_.create(kRootInode, "n");
  MetadataStore::ListedRow theirs;
  theirs.name = "n";
  theirs.inode.id = other(80);
  theirs.inode.links = 1;
  theirs.inode.version = Sequence{1};
  auto changes = store_->merge_listing(kRootInode, Sequence{1}, {.inode = root_row(1)}, {theirs}, true);
  ASSERT_TRUE(changes.ok());
  EXPECT_TRUE(changes->replan);
  EXPECT_EQ(at("n"), mine);
  EXPECT_EQ(**confirmed()->dentry(kRootInode, "n"), other(80));
}

TEST_F(ConfirmedTest, ResetLeavesTheRootOnlyAndIsRefusedWithPendingChanges) {
  InodeId file = remote_file("f");
  ASSERT_TRUE(tree_.create(kRootInode, "mine").ok());
  InodeRow root = root_row(9);
  EXPECT_EQ(store_->reset_mirror(Epoch{2}, Sequence{9}, hash_, root).error().code(), Code::kBusy);
  ASSERT_TRUE(tree_.unlink(kRootInode, "mine").ok());
  ASSERT_TRUE(store_->acknowledge(store_->last_lsn()).ok());
  ASSERT_TRUE(store_->reset_mirror(Epoch{2}, Sequence{9}, hash_, root).ok());
  EXPECT_EQ(store_->position().epoch, Epoch{2});
  EXPECT_EQ(store_->position().cursor, Sequence{9});
  EXPECT_FALSE(row(file));
  EXPECT_FALSE(row(kRootInode)->listed);
  MutexLock lock(store_->mutex());
  EXPECT_EQ(store_->totals().inodes, 1u);
}

// ---- re-plan ----

TEST_F(ConfirmedTest, RebaseMakesAConflictCopyOutOfAnEdit) {
  InodeId file = remote_file("f");
  Lsn written = write(file, {0, 10});
  ContentRow mine = content(file);
  feed({PutEffect{file, {kOther, 500}, 3000, {}, {}, text_manifest(3000, {4})}});
  InodeId copy = make_inode_id(test_identity().writer, written.value);
  int calls = 0;
  auto changes = store_->rebase([&](const MutexLock& lock, const LogRecord& record) -> Result<std::vector<RowChange>> {
    ++calls;
    EXPECT_EQ(record.lsn, written);
    InodeRow now = *store_->inode(lock, file);
    EXPECT_EQ(now.content, (OpId{kOther, 500})) << "reads see the confirmed tree";
    InodeRow row = now;
    row.id = copy;
    row.content = own(written);
    DentryRow name{kRootInode, "f (conflict)", copy, FileType::kFile, 0, {}};
    return std::vector<RowChange>{PutInode{row}, PutDentry{name}, MoveContent{file, copy}};
  });
  ASSERT_TRUE(changes.ok()) << changes.error().to_string();
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(changes->contents, testing::IsSupersetOf({file, copy}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(row(file)->content, (OpId{kOther, 500}));
    EXPECT_EQ(content(file).manifest, text_manifest(3000, {4}));
    EXPECT_TRUE(content(file).valid.empty() && content(file).dirty.empty());
    EXPECT_EQ(at("f (conflict)"), copy);
    EXPECT_EQ(content(copy).dirty, mine.dirty);
    EXPECT_EQ(content(copy).manifest, mine.manifest) << "what the edit was made on";
    EXPECT_EQ(store_->pending().files, 1u);
    reopen();
  }
  auto tree = confirmed();
  EXPECT_EQ(tree->content(file)->manifest, text_manifest(3000, {4}));
  EXPECT_FALSE(tree->inode(copy)->has_value());
  tree.reset();
  Bytes manifest = text_manifest(2000, {7, 9});
  feed({NewEffect{copy, {}, ""}, LinkEffect{kRootInode, "f (conflict)", copy},
        PutEffect{copy, own(written), 2000, {}, {}, manifest}},
       written);
  EXPECT_TRUE(content(copy).dirty.empty());
  EXPECT_EQ(content(copy).manifest, manifest);
  EXPECT_EQ(store_->pending().files, 0u);
}

TEST_F(ConfirmedTest, RebaseDropsAnEditThatEqualsTheServers) {
  InodeId file = remote_file("f");
  write(file, {0, 1000});
  {
    MutexLock lock(store_->mutex());
    ASSERT_TRUE(store_->note_content(lock, file, {1000, 2000}, true).ok());
  }
  feed({PutEffect{file, {kOther, 500}, 2000, {}, {}, text_manifest(2000, {4, 9})}});
  auto nothing = [](const MutexLock&, const LogRecord&) -> Result<std::vector<RowChange>> {
    return std::vector<RowChange>{};
  };
  ASSERT_TRUE(store_->rebase(nothing).ok());
  EXPECT_EQ(row(file)->content, (OpId{kOther, 500}));
  EXPECT_TRUE(content(file).dirty.empty());
  EXPECT_EQ(content(file).valid.all(), (std::vector<Extent>{{1000, 2000}})) << "what both manifests share";
  EXPECT_EQ(content(file).manifest, text_manifest(2000, {4, 9}));
}

TEST_F(ConfirmedTest, RebaseBringsBackWhatAnUnlinkThatIsDroppedTookAway) {
  InodeId file = remote_file("f");
  unlink("f");
  feed({PutEffect{file, {kOther, 500}, 3000, {}, {}, text_manifest(3000, {4})}});
  auto nothing = [](const MutexLock&, const LogRecord&) -> Result<std::vector<RowChange>> {
    return std::vector<RowChange>{};
  };
  ASSERT_TRUE(store_->rebase(nothing).ok());
  EXPECT_EQ(at("f"), file);
  EXPECT_EQ(row(file)->content, (OpId{kOther, 500}));
  EXPECT_EQ(content(file).manifest, text_manifest(3000, {4}));
}

TEST_F(ConfirmedTest, FailedRebaseChangesNothing) {
  InodeId file = remote_file("f");
  write(file, {0, 10});
  ASSERT_TRUE(tree_.create(kRootInode, "mine").ok());
  feed({PutEffect{file, {kOther, 500}, 3000, {}, {}, text_manifest(3000, {4})}});
  std::string before = dump(*store_);
  int calls = 0;
  auto fails = [&](const MutexLock&, const LogRecord& record) -> Result<std::vector<RowChange>> {
    if (++calls == 2) return Error(Code::kIo, "injected");
    return record.changes;
  };
  EXPECT_EQ(store_->rebase(fails).error().code(), Code::kIo);
  EXPECT_EQ(dump(*store_), before);
  reopen();
  EXPECT_EQ(dump(*store_), before);
}

// A power cut may take back a feed entry that was never synced; records made on it go with it, and only those.
TEST_F(ConfirmedTest, RecordsMadeOnAForeignCommitDoNotOutliveIt) {
  options_.boot_id = "one";
  reopen();
  ASSERT_TRUE(tree_.create(kRootInode, "before").ok());
  ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
  // The database as a power cut would leave it: without the feed entry.
  TemporaryDirectory after;
  copy_files(directory_.path(), after.path());
  InodeId theirs = remote_file("theirs");
  change(AttributeIntent{theirs, kFieldMode}, [&](const MutexLock& lock, Change& c) { c.put(*store_->inode(lock, theirs)); });
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path()))
    if (entry.path().filename().string().starts_with("log-"))
      std::filesystem::copy(entry.path(), after.path(), std::filesystem::copy_options::overwrite_existing);
  auto options = options_;
  options.directory = after.path();
  options.boot_id = "two";
  auto store = MetadataStore::open(disk_, clock_, options, test_identity(), nullptr);
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  EXPECT_EQ((*store)->last_lsn(), Lsn{1});
  MutexLock lock((*store)->mutex());
  EXPECT_TRUE((*store)->dentry(lock, kRootInode, "before").ok());
  EXPECT_FALSE((*store)->dentry(lock, kRootInode, "theirs").ok());
}

// And a sync of such a record makes the feed entry survive first.
TEST_F(ConfirmedTest, SyncingARecordSyncsTheTablesItStandsOn) {
  std::vector<std::string> synced;
  PosixDisk watching([&](const FaultPoint& point) {
    if (point.name == "file.sync") synced.push_back(std::string(point.detail));
    return 0;
  });
  store_.reset();
  store_ = std::move(*MetadataStore::open(watching, clock_, options_, test_identity(), nullptr));
  tree_.use(*store_);
  ASSERT_TRUE(tree_.create(kRootInode, "a").ok());
  synced.clear();
  ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
  EXPECT_EQ(synced.size(), 1u) << "nothing foreign: the log alone";
  remote_file("theirs");
  ASSERT_TRUE(tree_.create(kRootInode, "b").ok());
  synced.clear();
  ASSERT_TRUE(store_->sync(store_->last_lsn()).ok());
  ASSERT_EQ(synced.size(), 2u);
  EXPECT_THAT(synced[0], testing::HasSubstr("metadata.db-wal"));
  EXPECT_THAT(synced[1], testing::HasSubstr("log-"));
  store_.reset();
}

}  // namespace
}  // namespace skymoor::client
