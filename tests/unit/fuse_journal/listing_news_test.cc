// What the kernel is told of when a directory is listed: all that it may remember otherwise, and nothing else.
#include <thread>

#include "journal_support.h"

namespace skymoor::client {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Not;

constexpr WriterId kOther{2};
InodeId other(std::uint64_t n) { return make_inode_id(kOther, n); }

auto name_is(const std::string& name) { return Field(&VisibleChanges::Name::name, name); }

/// A root that is listed, and holds the directory "d" of another device, which nobody has looked into.
class ListingNewsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    store_ = std::move(*store);
    tree_.use(*store_);
    ASSERT_TRUE(tree_.make_root().ok());
    list_root();
  }
  void TearDown() override { EXPECT_THAT(*store_->check(), IsEmpty()); }

  static InodeRow directory_row(InodeId id, std::uint64_t version) {
    InodeRow row;
    row.id = id;
    row.attributes.type = FileType::kDirectory;
    row.links = 2;
    row.version = Sequence{version};
    return row;
  }
  MetadataStore::ListedRow entry(const std::string& name, InodeId id, std::uint32_t links = 1) const {
    MetadataStore::ListedRow row;
    row.name = name;
    row.inode.id = id;
    row.inode.links = links;
    row.inode.version = Sequence{sequence_};
    return row;
  }
  VisibleChanges list_root(std::vector<MetadataStore::ListedRow> more = {}) {
    MetadataStore::ListedRow d{"d", directory_row(kDirectory, 1), {}, {}};
    more.push_back(d);
    InodeRow root = directory_row(kRootInode, sequence_);
    root.links = 3;
    auto changes = store_->merge_listing(kRootInode, Sequence{sequence_}, {.inode = root}, more, true);
    EXPECT_TRUE(changes.ok()) << changes.error().to_string();
    return changes.ok() ? *changes : VisibleChanges{};
  }
  VisibleChanges list(std::vector<MetadataStore::ListedRow> rows, bool complete = true, bool first = true) {
    auto changes = store_->merge_listing(kDirectory, Sequence{sequence_}, {.inode = directory_row(kDirectory, 1)}, rows,
                                         complete, first);
    EXPECT_TRUE(changes.ok()) << changes.error().to_string();
    return changes.ok() ? *changes : VisibleChanges{};
  }
  VisibleChanges feed(std::vector<TreeEffect> effects, Lsn own = {}) {
    auto changes = store_->apply_commit(Sequence{++sequence_}, {}, effects, own);
    EXPECT_TRUE(changes.ok()) << changes.error().to_string();
    return changes.ok() ? *changes : VisibleChanges{};
  }
  bool shows(InodeId directory, const std::string& name) {
    MutexLock lock(store_->mutex());
    return store_->dentry(lock, directory, name).ok();
  }
  Code why_not(InodeId directory, const std::string& name) {
    MutexLock lock(store_->mutex());
    auto found = store_->dentry(lock, directory, name);
    EXPECT_FALSE(found.ok());
    return found.error().code();
  }

  const InodeId kDirectory = other(50);
  TemporaryDirectory directory_;
  PosixDisk disk_;
  FakeClock clock_;
  MetadataStore::Options options_ = quiet_options(directory_.path());
  std::unique_ptr<MetadataStore> store_;
  Tree tree_;
  std::uint64_t sequence_ = 0;
};

TEST_F(ListingNewsTest, AFirstListingIsNewsForNoCache) {
  VisibleChanges changes = list({entry("a", other(1)), entry("b", other(2))}, false);
  EXPECT_THAT(changes.names, IsEmpty());
  EXPECT_THAT(changes.attributes, IsEmpty());
  EXPECT_THAT(changes.revealed, IsEmpty()) << "before its last page";
  changes = list({entry("c", other(3))}, true, false);
  EXPECT_THAT(changes.names, IsEmpty());
  EXPECT_THAT(changes.attributes, IsEmpty());
  EXPECT_THAT(changes.contents, IsEmpty());
  EXPECT_THAT(changes.revealed, ElementsAre(kDirectory));
  EXPECT_TRUE(shows(kDirectory, "a"));
  EXPECT_TRUE(shows(kDirectory, "c"));
}

TEST_F(ListingNewsTest, ASecondListingTellsOfEachNewName) {
  list({entry("a", other(1))});
  const VisibleChanges changes = list({entry("a", other(1)), entry("b", other(2))});
  EXPECT_THAT(changes.names, ElementsAre(name_is("b"))) << "somebody was told that it is not there";
  EXPECT_THAT(changes.revealed, IsEmpty());
}

/// An empty directory that was read is all in memory: what a second listing brought was looked for there, and not found.
TEST_F(ListingNewsTest, WhatASecondListingBringsIntoAnEmptyDirectoryIsFound) {
  list({});
  ASSERT_TRUE(store_->close().ok());
  store_.reset();
  store_ = std::move(*MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr));   // read from the database
  {
    MutexLock lock(store_->mutex());
    ASSERT_THAT(*store_->list(lock, kDirectory, 0, 10), IsEmpty());
  }
  ASSERT_EQ(why_not(kDirectory, "looked for"), Code::kNotFound);
  list({entry("late", other(1))});
  EXPECT_TRUE(shows(kDirectory, "late"));
}

/// A full commit takes what a file holds by then, ahead of the records behind its cut: listed, it was taken for a copy's.
TEST_F(ListingNewsTest, ContentThatWasSentAheadOfItsRecordsMayBeListed) {
  list({});
  const WriterId me = test_identity().writer;
  InodeId mine;
  {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, LocalIntent{});
    InodeRow row;
    row.id = mine = make_inode_id(me, change.lsn().value);
    row.links = 1;
    row.parent = kDirectory;
    change.put(row);
    change.put(DentryRow{kDirectory, "mine", row.id, FileType::kFile, 0, {}});
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  const Lsn cut = store_->last_lsn();
  const OpId ahead{me, cut.value + 5};
  feed({NewEffect{mine, {}, ""}, LinkEffect{kDirectory, "mine", mine}, PutEffect{mine, ahead, 100, {}, {}, {}}}, cut);
  auto listed = entry("mine", mine);
  listed.inode.content = ahead;
  listed.inode.attributes.size = 100;
  list({listed});
  EXPECT_TRUE(shows(kDirectory, "mine"));
  listed.inode.content = OpId{me, cut.value + 6};
  EXPECT_EQ(store_->merge_listing(kDirectory, Sequence{sequence_}, {.inode = directory_row(kDirectory, 1)}, {listed}, true, true)
                .error().code(), Code::kUnknownServer) << "the feed has not told of that one";
  // A listing may be faster than the answer and the feed.
  ASSERT_TRUE(store_->note_offered(cut, Hash256{}, Lsn{cut.value + 6}).ok());
  EXPECT_TRUE(store_->merge_listing(kDirectory, Sequence{sequence_}, {.inode = directory_row(kDirectory, 1)}, {listed}, true, true).ok());
}

/// A move out of a part that is not known here: the name did not show before the directory was listed again, and nobody asked
/// for that, for the kernel remembered that the name is not there.
TEST_F(ListingNewsTest, ANameThatComesFromAfarIsAbsentForNobody) {
  ASSERT_EQ(why_not(kRootInode, "from afar"), Code::kNotFound);
  VisibleChanges changes = feed({LinkEffect{kRootInode, "from afar", other(90)}});
  EXPECT_EQ(why_not(kRootInode, "from afar"), Code::kNotPresent);
  EXPECT_THAT(changes.names, ElementsAre(name_is("from afar")));
  // As long as it is not listed again, nothing that comes into it shows.
  changes = feed({NewEffect{other(91), {}, ""}, LinkEffect{kRootInode, "new", other(91)}});
  EXPECT_EQ(why_not(kRootInode, "new"), Code::kNotPresent);
  EXPECT_THAT(changes.names, ElementsAre(name_is("new")));
  changes = list_root({entry("from afar", other(90)), entry("new", other(91)), entry("not heard of", other(92))});
  for (const char* name : {"from afar", "new", "not heard of"}) EXPECT_THAT(changes.names, Contains(name_is(name)));
  EXPECT_THAT(changes.names, Not(Contains(name_is("d"))));
  EXPECT_THAT(changes.revealed, IsEmpty());
}

TEST_F(ListingNewsTest, WhatComesIntoADirectoryThatWasNeverListedIsNoNews) {
  const VisibleChanges changes = feed({NewEffect{other(91), {}, ""}, LinkEffect{kDirectory, "new", other(91)}});
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(why_not(kDirectory, "new"), Code::kNotPresent);
}

TEST_F(ListingNewsTest, AFileThatIsKnownByAnotherNameIsToldOf) {
  feed({NewEffect{other(1), {}, ""}, LinkEffect{kRootInode, "one", other(1)}});
  ++sequence_;
  ASSERT_TRUE(store_->apply_commit(Sequence{sequence_}, {}, {}, {}).ok());
  const VisibleChanges changes = list({entry("two", other(1), 2), entry("three", other(3))});
  EXPECT_THAT(changes.attributes, ElementsAre(other(1))) << "it has two names now";
  EXPECT_THAT(changes.names, IsEmpty());
  EXPECT_THAT(changes.revealed, ElementsAre(kDirectory));
}

TEST_F(ListingNewsTest, ANameThatStoodForSomethingElseIsToldOf) {
  list({entry("a", other(1))}, false);
  store_->abandon_listing(kDirectory);
  const VisibleChanges changes = list({entry("a", other(2)), entry("b", other(3))});
  EXPECT_THAT(changes.names, ElementsAre(name_is("a")));
}

/// What this device deleted another brought back, and this one had forgotten it by then.
TEST_F(ListingNewsTest, AnInodeThatWasErasedMayBeRemembered) {
  feed({NewEffect{other(1), {}, ""}, LinkEffect{kRootInode, "one", other(1)}});
  Lsn gone;
  {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, UnlinkIntent{kRootInode, "one", other(1), true, {}});
    gone = change.lsn();
    change.erase_dentry(kRootInode, "one");
    change.erase_inode(other(1));
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  feed({UnlinkEffect{kRootInode, "one", other(1)}}, gone);
  feed({LinkEffect{kDirectory, "back", other(1)}});
  const VisibleChanges changes = list({entry("back", other(1)), entry("new", other(3))});
  EXPECT_THAT(changes.attributes, ElementsAre(other(1)));
  EXPECT_THAT(changes.names, IsEmpty());
}

TEST_F(ListingNewsTest, AfterATakeoverTheKernelMayRememberAnything) {
  ASSERT_TRUE(store_->close().ok());
  store_.reset();
  options_.keep_orphans = true;
  store_ = std::move(*MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr));
  const VisibleChanges changes = list({entry("a", other(1))});
  EXPECT_THAT(changes.names, ElementsAre(name_is("a")));
  EXPECT_THAT(changes.attributes, ElementsAre(other(1)));
  EXPECT_THAT(changes.revealed, IsEmpty());
}

// ---- what a listing leaves in memory and on the disk ----

TEST_F(ListingNewsTest, AListingIsShownFromMemoryAsFromTheDatabase) {
  const auto names = [this](std::uint64_t after, std::size_t limit) {
    MutexLock lock(store_->mutex());
    std::string all;
    const auto rows = store_->list(lock, kDirectory, after, limit);
    for (const DentryRow& row : *rows) all += row.name + " ";
    return all;
  };
  const auto after = [this](const std::string& name) {
    MutexLock lock(store_->mutex());
    return store_->dentry(lock, kDirectory, name)->cookie;
  };
  list({entry("a", other(1)), entry("b", other(2)), entry("c", other(3)), entry("d", other(4))});
  EXPECT_EQ(names(0, 10), "a b c d ");
  EXPECT_EQ(names(after("b"), 1), "c ");
  feed({UnlinkEffect{kDirectory, "b", other(2)}, NewEffect{other(5), {}, ""}, LinkEffect{kDirectory, "e", other(5)}});
  EXPECT_EQ(names(0, 10), "a c d e ");
  EXPECT_EQ(names(0, 2), "a c ");
  EXPECT_EQ(names(after("c"), 2), "d e ");
  EXPECT_EQ(names(after("e"), 2), "");
  {
    MutexLock lock(store_->mutex());
    Change change = store_->begin(lock, LocalIntent{});
    change.erase_dentry(kDirectory, "c");
    InodeRow row;
    row.id = make_inode_id(test_identity().writer, change.lsn().value);
    row.links = 1;
    row.parent = kDirectory;
    change.put(row);
    change.put(DentryRow{kDirectory, "mine", row.id, FileType::kFile, 0, {}});
    change.erase_inode(other(3));
    ASSERT_TRUE(store_->commit(lock, std::move(change)).ok());
  }
  EXPECT_EQ(names(0, 10), "a d e mine ");
  EXPECT_EQ(names(after("d"), 10), "e mine ");
  ASSERT_TRUE(store_->checkpoint().ok());
  EXPECT_EQ(names(0, 10), "a d e mine ");
  ASSERT_TRUE(store_->close().ok());
  store_.reset();
  store_ = std::move(*MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr));
  EXPECT_EQ(names(0, 3), "a d e ");
  EXPECT_EQ(names(after("e"), 3), "mine ");
}

/// Folding was left to checkpoints, which a device that only looks around never made: a million files were a gigabyte.
TEST_F(ListingNewsTest, ListingsAloneFoldTheWriteAheadLog) {
  ASSERT_TRUE(store_->checkpoint().ok());
  ASSERT_TRUE(store_->close().ok());
  store_.reset();
  options_.checkpoint_interval = std::chrono::milliseconds(50);
  store_ = std::move(*MetadataStore::open(disk_, clock_, options_, test_identity(), nullptr));
  constexpr std::uint64_t kPages = 40, kPage = 1000;
  for (std::uint64_t page = 0; page < kPages; ++page) {
    std::vector<MetadataStore::ListedRow> rows;
    for (std::uint64_t i = 0; i < kPage; ++i)
      rows.push_back(entry("file " + std::to_string(page * kPage + i), other(1000 + page * kPage + i)));
    list(std::move(rows), page + 1 == kPages, page == 0);
  }
  const auto database = std::filesystem::path(options_.directory) / "metadata.db";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::filesystem::file_size(database) < (1u << 20) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_GE(std::filesystem::file_size(database), 1u << 20);
}

TEST_F(ListingNewsTest, WhatIsLeftOfAnotherMirrorMayBeRemembered) {
  ASSERT_TRUE(store_->acknowledge(store_->last_lsn()).ok());
  ASSERT_TRUE(store_->reset_mirror(Epoch{2}, Sequence{9}, {}, directory_row(kRootInode, 9)).ok());
  sequence_ = 9;
  const VisibleChanges changes = list_root({entry("a", other(1))});
  EXPECT_THAT(changes.names, Contains(name_is("a")));
  EXPECT_THAT(changes.revealed, IsEmpty());
}

}  // namespace
}  // namespace skymoor::client
