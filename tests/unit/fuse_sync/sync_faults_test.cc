// What a lost answer, a full commit, a copied state or a conflict once took away: each of these was lost before.
#include "tests/unit/fuse_sync/sync_fixture.h"

#include "fuse/sync/rebase/rebaser.h"
#include "tests/support/crash_disk.h"

namespace skymoor::client {
namespace {

using SyncFaultsTest = SyncEngineTest;

std::string only_copy(const std::map<std::string, std::string>& tree) {
  for (const auto& [path, bytes] : tree)
    if (path.find("(conflict") != std::string::npos) return path;
  return "no copy";
}

/// From here on its commits are full with so many records. It has listed its tree.
void send_by(std::size_t records, SyncDevice& device) {
  device.stop();
  device.options.max_batch_records = records;
  device.start();
  device.paths();
}

TEST_F(SyncFaultsTest, AConflictCopyCarriesTheXattrs) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "base");
  a.set_xattr("f", "user.colour", "blue");
  a.sync();
  b.catch_up();
  b.read("f");
  b.remote().set_offline(true);
  a.write("f", "anna's");
  a.sync();
  b.write("f", "berta's");
  b.set_xattr("f", "user.taste", "sour");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  const std::string copy = only_copy(a.tree());
  EXPECT_EQ(volume_.tree().at(copy).xattrs.at("user.colour"), "blue");
  EXPECT_EQ(a.facts(), b.facts());
}

/// What its author closed to others stays closed, whichever of the two holds his bytes in the end.
TEST_F(SyncFaultsTest, AConflictCopyIsAsClosedAsItsAuthorMadeIt) {
  auto [a, b] = two_apart("f", "base");
  a.write("f", "anna's");
  a.sync();
  b.write("f", "berta's");
  b.chmod("f", 0600);
  b.set_xattr("f", "user.taste", "sour");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  const std::string copy = only_copy(a.tree());
  for (const std::string& path : {copy, std::string("f")}) {
    EXPECT_EQ(volume_.tree().at(path).attributes.mode & 07777u, 0600u) << path;
    EXPECT_EQ(volume_.tree().at(path).xattrs.at("user.taste"), "sour") << path;
  }
  EXPECT_EQ(a.facts(), b.facts());
  b.chmod("f", 0644);   // anna's, as he sees by now
  b.sync();
  EXPECT_EQ(volume_.tree().at(copy).attributes.mode & 07777u, 0600u);
}

// A re-plan that may not move contents now is done later, and nothing of it before.
TEST_F(SyncFaultsTest, AMoveThatIsPutOffKeepsBothSides) {
  auto [a, b] = two_apart("f", "base");
  a.write("f", "anna's");
  a.sync();
  b.write("f", "berta's");
  b.no_moves = true;
  b.remote().set_offline(false);
  EXPECT_THROW(b.sync(std::chrono::seconds(5)), std::runtime_error);
  EXPECT_NE(b.engine().status().reason.find("no place for another move"), std::string::npos) << b.engine().status().reason;
  EXPECT_EQ(b.read("f"), "berta's");
  b.write("g", "goes on");
  b.no_moves = false;
  b.sync();
  expect_converged();
  const auto tree = a.tree();
  EXPECT_EQ(tree.at("f"), "anna's");
  EXPECT_EQ(tree.at(only_copy(tree)), "berta's");
  EXPECT_EQ(tree.at("g"), "goes on");
}

/// A disk that refuses to rename a backing file when the rows of its conflict copy stand already.
class SyncMovesTest : public SyncEngineTest {
 protected:
  SyncDevice& berta() { return *devices_[1]; }
  SyncDevice& anna() { return *devices_[0]; }
  /// Both wrote the same file; Berta's content cannot be given to her copy. Returns the copy's name.
  std::string conflict_without_a_move() {
    device("anna");
    devices_.push_back(std::make_unique<SyncDevice>(volume_, "berta", 2, directory_ + "/berta", DeviceWorld{.disk = &disk_}));
    anna().write("f", "base");
    anna().sync();
    berta().catch_up();
    berta().read("f");
    berta().remote().set_offline(true);
    anna().write("f", hers_);
    anna().sync();
    berta().write("f", mine_);
    refuse_ = true;
    berta().remote().set_offline(false);
    EXPECT_THROW(berta().sync(std::chrono::seconds(3)), std::runtime_error);
    EXPECT_NE(berta().engine().status().reason.find(refused_.first), std::string::npos)
        << berta().engine().status().reason;
    std::map<std::string, std::string> names;
    for (const auto& [path, directory] : berta().paths()) names[path] = "";
    EXPECT_EQ(names.size(), 2u) << "the copy is not shown";
    return only_copy(names);
  }
  void TearDown() override {
    refuse_ = false;
    SyncEngineTest::TearDown();
  }

  const std::string hers_ = noise(9000, 1), mine_ = noise(9000, 2);
  std::pair<std::string, std::string> refused_{"disk.rename", "/backing/"};   ///< step, and part of the path
  std::atomic<bool> refuse_{false}, planned_{false};   ///< only once there is a plan
  PosixDisk disk_{[this](const FaultPoint& point) {
    planned_ = planned_ || (refuse_ && point.name == "journal.rebase");
    return planned_ && refuse_ && point.name == refused_.first && point.detail.find(refused_.second) != point.detail.npos ? EIO : 0;
  }};
};

TEST_F(SyncMovesTest, AFileThatCannotGoToItsCopyIsTheCopysAllTheSame) {
  const std::string copy = conflict_without_a_move();
  berta().write_at(copy, 0, "B");
  berta().fsync(copy);
  EXPECT_TRUE(berta().read(copy) == "B" + mine_.substr(1));
  EXPECT_THROW(berta().read("f"), std::runtime_error);   // a fetch would go over her bytes
  berta().write("g", "goes on");
  refuse_ = false;
  berta().sync();
  expect_converged();
  EXPECT_TRUE(anna().read("f") == hers_);
  EXPECT_TRUE(anna().read(copy) == "B" + mine_.substr(1));
  EXPECT_EQ(anna().read("g"), "goes on");
}

TEST_F(SyncMovesTest, AStartAfterwardsGivesTheCopyItsFile) {
  const std::string copy = conflict_without_a_move();
  berta().abandon(directory_ + "/berta", false);
  refuse_ = false;
  berta().start();
  berta().sync();
  expect_converged();
  EXPECT_TRUE(anna().read(copy) == mine_);
}

TEST_F(SyncMovesTest, ACopyThatIsRemovedMeanwhileTakesItsBytesAlong) {
  const std::string copy = conflict_without_a_move();
  berta().unlink(copy);
  refuse_ = false;
  berta().sync();
  expect_converged();
  EXPECT_EQ(keys(anna().tree()), std::vector<std::string>{"f"});
  EXPECT_TRUE(berta().read("f") == hers_);
}

/// The rows stand, but whether they survive a power cut nobody knows: her bytes are the copy's, and nothing is renamed until
/// the next start.
TEST_F(SyncMovesTest, AFileWhoseRowsMayNotLastIsTheCopysAndStaysWhereItIs) {
  refused_ = {"file.sync", "metadata.db-wal"};
  const std::string copy = conflict_without_a_move();
  berta().write_at(copy, 0, "B");
  EXPECT_TRUE(berta().read(copy) == "B" + mine_.substr(1));
  EXPECT_THROW(berta().read("f"), std::runtime_error);
  refuse_ = false;
  EXPECT_THROW(berta().sync(std::chrono::seconds(2)), std::runtime_error);
  berta().stop();
  berta().start();
  berta().sync();
  expect_converged();
  EXPECT_TRUE(anna().read("f") == hers_);
  EXPECT_TRUE(anna().read(copy) == "B" + mine_.substr(1));
}

/// Both numbers have a file after a crash: which of them is the one that was to move says whether it has.
TEST_F(SyncMovesTest, AFileInTheWayIsNoProofOfAMove) {
  SyncDevice& a = device("anna");
  a.write("f", "edited");
  const InodeId to = a.inode_of("f"), from{0x777777};
  auto fill = [&](InodeId inode, std::string_view bytes) {
    auto file = a.backing().open_file(inode, true);
    ASSERT_TRUE(file.ok() && (*file)->file().write_at(0, as_bytes(bytes)).ok());
  };
  auto finish = [&](std::uint64_t file) {
    SyncState state;
    state.moves = {{from, to, file}};
    return Rebaser::finish_moves(a.store(), a.backing(), state).ok();
  };
  ASSERT_TRUE(a.backing().move(to, from).ok());
  fill(to, "before");
  ASSERT_TRUE(finish(a.backing().identity(from).value()));
  EXPECT_EQ(a.read("f"), "edited");
  fill(from, "theirs");   // fetched since: the number is another content's by now
  ASSERT_TRUE(finish(a.backing().identity(to).value()));
  EXPECT_EQ(a.read("f"), "edited");
  ASSERT_TRUE(a.backing().remove(from).ok());
}

/// It was noted, and then the process ended before the rows changed: the file stays where it is, also where the other one has
/// an older content of this device.
TEST_F(SyncMovesTest, AMoveWhoseRowsNeverChangedIsNone) {
  SyncDevice& a = device("anna");
  a.write("to", "older");
  a.sync();
  a.write("from", "edited");
  const InodeId to = a.inode_of("to"), from = a.inode_of("from");
  SyncState state;
  state.moves = {{from, to, a.backing().identity(from).value()}};
  state.rebase = a.store().rebases() + 1;
  EXPECT_TRUE(Rebaser::finish_moves(a.store(), a.backing(), state).value().empty());
  EXPECT_EQ(a.read("to"), "older");
  EXPECT_EQ(a.read("from"), "edited");
  a.sync();
}

/// What its author did to it between the other's deletion and the write came to nothing: here as everywhere.
TEST_F(SyncFaultsTest, AFileThatALaterWriteBringsBackIsTheSameEverywhere) {
  auto [a, b] = two_apart("f", "base");
  a.unlink("f");
  a.sync();
  b.set_xattr("f", "user.colour", "blue");
  b.chmod("f", 0600);
  b.write("f", "edited");
  b.remote().set_offline(false);
  b.sync();
  expect_converged();
  EXPECT_EQ(a.read("f"), "edited");
  EXPECT_EQ(a.facts(), b.facts());
}

/// A listing tells the directory's own xattrs, too, and so does an answer about one inode: where that was newer than what
/// was known, they were gone.
TEST_F(SyncFaultsTest, WhatIsFetchedAheadOfTheFeedHasItsXattrs) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  a.make_directory("d");
  a.write("f", std::string(100000, 'f'));
  for (const char* path : {"", "d", "f"}) a.set_xattr(path, "user.colour", "blue");
  ASSERT_TRUE(a.engine().step().ok());
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  const auto colour = [&](const std::string& path) {
    Request request;
    auto value = b.files().get_xattr(request, b.inode_of(path), "user.colour");
    return value.ok() ? std::string(as_text(*value)) : value.error().to_string();
  };
  EXPECT_EQ(colour(""), "blue");
  EXPECT_EQ(colour("d"), "blue");
  EXPECT_EQ(colour("f"), "blue");
  a.write("d/g", "new");
  a.chmod("f", 0600);
  ASSERT_TRUE(a.engine().step().ok());
  EXPECT_TRUE(b.exists("d/g"));
  ASSERT_TRUE(b.files().fetch({Need::Kind::kInode, b.inode_of("f"), {}}, Instant::max(), {}).ok());
  for (const char* path : {"", "d", "f"}) EXPECT_EQ(colour(path), "blue") << path;
  ASSERT_TRUE(b.engine().step().ok());
  for (const char* path : {"", "d", "f"}) EXPECT_EQ(colour(path), "blue") << path;
  EXPECT_EQ(a.facts(), b.facts());
}

/// Deleted while a program has it open and goes on writing; the other's edit keeps it. What was written without a name is
/// no part of it: every re-plan after the first one took the file for one that is changed here.
TEST_F(SyncFaultsTest, WhatWasWrittenToADeletedFileStaysOutOfTheOneThatComesBack) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  a.write("f", "base");
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  b.write("f", "berta's");
  ASSERT_TRUE(b.engine().step().ok());
  Request request;
  OpenFlags flags;
  flags.write = true;
  auto opened = a.files().open(request, a.inode_of("f"), flags);
  ASSERT_TRUE(opened.ok());
  a.unlink("f");
  auto pour = [](int fd, std::uint64_t where) -> Result<std::size_t> {
    return static_cast<std::size_t>(::pwrite(fd, "lost", 4, static_cast<off_t>(where)));
  };
  ASSERT_TRUE(a.files().write(request, opened->handle, 0, 4, pour).ok());
  a.files().release(opened->handle);
  a.write("g", "anna's");
  for (const char* name : {"g", "h"}) {
    a.remote().lose_commits = 1;
    EXPECT_FALSE(a.engine().step().ok());
    EXPECT_EQ(a.read("f"), "berta's");
    b.write(name, "berta's");
    ASSERT_TRUE(b.engine().step().ok());
  }
  ASSERT_TRUE(a.engine().step().ok());
  EXPECT_EQ(a.read("f"), "berta's");
  EXPECT_EQ(a.store().pending().files, 0u);
}

/// What another device takes away from a file that is deleted here is not there when that device's edit brings it back: neither
/// what both knew before, nor what came and went in one page of the feed.
TEST_F(SyncFaultsTest, AnXattrThatWasRemovedElsewhereDoesNotComeBackWithItsFile) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  a.write("f", "base");
  a.set_xattr("f", "user.colour", "blue");
  a.set_xattr("f", "user.kept", "yes");
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  b.read("f");
  a.unlink("f");
  a.write("g", "anna's");
  b.remove_xattr("f", "user.colour");
  b.set_xattr("f", "user.brief", "x");
  ASSERT_TRUE(b.engine().step().ok());
  b.remove_xattr("f", "user.brief");
  b.write("f", "berta's");
  ASSERT_TRUE(b.engine().step().ok());
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  EXPECT_EQ(a.read("f"), "berta's");
  Request r;
  for (SyncDevice* device : {&a, &b}) {
    auto names = device->files().list_xattrs(r, device->inode_of("f"));
    ASSERT_TRUE(names.ok());
    EXPECT_THAT(*names, ::testing::Contains("user.kept"));
    EXPECT_THAT(*names, ::testing::Not(::testing::Contains("user.colour")));
    EXPECT_THAT(*names, ::testing::Not(::testing::Contains("user.brief")));
  }
  EXPECT_EQ(a.facts(), b.facts());
}

/// A commit is held up on its way (a proxy that stops for a while); its sender gives up waiting, and what its user does next goes
/// another way, faster. Modes are no reads: the older one was taken when it arrived, and won.
TEST_F(SyncFaultsTest, ACommitThatArrivesAfterALaterOneChangesNothing) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  a.write("f", "x");
  ASSERT_TRUE(a.engine().step().ok());
  std::function<void()> arrive;
  a.remote().carry_commit = [&](const SignedCommit& commit,
                                const FakeVolumeRemote::Deliver& deliver) -> Result<protocol::CommitReply> {
    arrive = [commit, deliver] { (void)deliver(commit); };
    return Error(Code::kTimedOut, "no answer in time");
  };
  a.chmod("f", 0600);
  EXPECT_FALSE(a.engine().step().ok());
  a.remote().carry_commit = nullptr;
  a.chmod("f", 0640);
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(arrive);
  arrive();
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  EXPECT_EQ(a.node("f").attributes.mode & 07777u, 0640u);
  EXPECT_EQ(a.facts(), b.facts());
}

/// Each page is overtaken by a change once. Begun anew each time, a large directory in a busy volume was never listed.
TEST_F(SyncFaultsTest, APageThatTheFeedOvertakesIsAskedForAgainAndTheOthersAreNot) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  a.make_directory("d");
  for (int i = 0; i < 3500; ++i) a.write("d/f" + std::to_string(i), "");
  a.make_directory("d/e");
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  const InodeId d = b.inode_of("d");
  struct Calls {
    std::atomic<int> of_d{0};
  };
  auto calls = std::make_shared<Calls>();
  FakeVolumeRemote::Tampering late;
  late.directory = [calls, d](DirectoryPage& page) {
    if (page.directory.inode != d) return;
    if (calls->of_d++ % 2 == 0) page.sequence.value -= 1;   // as if it had been made before the last change
  };
  b.remote().tamper(late);
  EXPECT_EQ(b.paths().size(), 3502u);
  EXPECT_EQ(calls->of_d, 8);
  EXPECT_EQ(b.node("d").links, 3u);
  EXPECT_EQ(a.facts(), b.facts());
}

/// A server with too much to do says so: whoever reads waits a moment, and hears nothing of it.
TEST_F(SyncFaultsTest, AServerThatIsBusyForAMomentIsAskedAgain) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  SyncDevice b(volume_, "berta", 2, directory_ + "/berta", {.stepped = true});
  a.make_directory("d");
  a.write("d/f", noise(100'000, 3));
  ASSERT_TRUE(a.engine().step().ok());
  ASSERT_TRUE(b.engine().step().ok());
  struct Calls {
    std::atomic<int> fetches{0}, lists{0};
  };
  auto calls = std::make_shared<Calls>();   // those who read ahead ask, too, for as long as the device lives
  b.remote().carry = [calls](std::string_view call) -> Status {
    const bool first = (call == "fetch" && calls->fetches++ == 0) || (call == "list" && calls->lists++ == 0);
    return first ? Status(Error(Code::kBusy, "too many large answers are under way")) : Status();
  };
  EXPECT_EQ(b.read("d/f"), noise(100'000, 3));
  EXPECT_GT(calls->fetches, 1);
  EXPECT_GT(calls->lists, 1);
}

/// Written and not synced by its user; the log was, by somebody else's fsync. Nothing was ever sent again.
TEST_F(SyncFaultsTest, AFileThatAPowerCutTookDoesNotStopTheOthers) {
  const std::string before = directory_ + "/before", after = directory_ + "/after";
  std::filesystem::create_directories(before);
  skymoor::testing::CrashDisk disk(before);
  SyncDevice a(volume_, "anna", 1, before, {.disk = &disk, .stepped = true});
  a.write("synced", "kept");
  a.fsync("synced");
  a.write("f", "never synced");
  ASSERT_TRUE(a.store().sync(a.store().last_lsn()).ok());
  disk.cut_power(after);
  a.abandon(after, true);
  a.start();
  a.write("g", "anna's");
  ASSERT_TRUE(a.engine().step().ok());
  EXPECT_EQ(volume_.tree().at("g").bytes, "anna's");
  EXPECT_EQ(volume_.tree().at("synced").bytes, "kept");
  EXPECT_EQ(volume_.tree().at("f").bytes, std::string(12, '\0'));
  EXPECT_EQ(a.read("f"), std::string(12, '\0'));
  EXPECT_EQ(a.store().pending().files, 0u);
  a.check();
}

/// The bytes were read and stored, the commit never arrived, then the owner set a time.
TEST_F(SyncFaultsTest, TimesThatWereSetAfterTheBytesWereReadAreKept) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  a.write("f", "bytes");
  a.remote().lose_commits = 1;
  EXPECT_FALSE(a.engine().step().ok());
  a.set_mtime("f", Timestamp{std::chrono::seconds(1000)});
  ASSERT_TRUE(a.engine().step().ok());
  EXPECT_EQ(volume_.tree().at("f").attributes.mtime, Timestamp{std::chrono::seconds(1000)});
}

/// The batch of the record that made it so has no more to send of it, and nobody else asks whether it may be evicted.
TEST_F(SyncFaultsTest, ContentSentAheadOfItsRecordsIsGivenToTheCache) {
  SyncDevice& a = device("anna");
  send_by(2, a);
  a.remote().set_offline(true);
  a.write("f", noise(1u << 20, 5));
  a.make_directory("d");
  for (unsigned i = 0; i < 8; ++i) a.chmod("d", 0700 + i % 2);
  a.write("f", noise(1u << 20, 6));
  a.remote().set_offline(false);
  const Instant end = SystemClock().monotonic() + std::chrono::seconds(60);
  while (SystemClock().monotonic() < end && (a.store().pending().records != 0 || a.engine().makes_room())) {
    if (a.engine().makes_room()) ASSERT_TRUE(a.engine().make_room(end, {}).ok());   // asks after each commit
    else std::this_thread::sleep_for(std::chrono::milliseconds(1));                 // it has not heard of the server yet
  }
  EXPECT_EQ(a.backing().usage().dirty_bytes, 0u);
}

/// A commit that is full takes a file as it is by then: with bytes of records that only the next commits cover.
TEST_F(SyncFaultsTest, ContentSentAheadOfItsRecordsBecomesClean) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  send_by(2, a);
  a.remote().set_offline(true);
  a.write("f", "0");
  for (int i = 1; i < 10; ++i) a.write("f", std::string(static_cast<std::size_t>(i) * 1000, 'a'));
  a.set_mtime("f", Timestamp{std::chrono::seconds(1000)});
  a.write("f", std::string(9000, 'b'));
  a.remote().set_offline(false);
  a.sync();
  EXPECT_EQ(a.store().pending().files, 0u) << "sent, and still said to exist here only: never evicted";
  EXPECT_EQ(a.engine().state_of(a.node("f").id), "synced");
  expect_converged();
  EXPECT_EQ(volume_.tree().at("f").attributes.mtime, a.node("f").attributes.mtime);
  EXPECT_EQ(a.facts(), b.facts());
}

/// The same, of a file that was deleted, or replaced, while somebody had it open, and who wrote on: the server got that ahead of the
/// deletion, which then was no deletion of what was there. The file came back, and the other one took a conflict name.
TEST_F(SyncFaultsTest, WhatIsWrittenToADeletedFileIsNeverSentAheadOfItsDeletion) {
  SyncDevice a(volume_, "anna", 1, directory_ + "/anna", {.stepped = true});
  a.options.max_batch_records = 2;
  a.stop();
  a.start();
  a.write("deleted", "0");
  a.write("replaced", "0");
  a.write("other", "the other one");
  while (a.store().pending().records > 0) ASSERT_TRUE(a.engine().step().ok());
  a.remote().set_offline(true);
  for (const char* file : {"deleted", "replaced"}) a.write_at(file, 0, std::string(6000, 'a'));
  for (int i = 0; i < 10; ++i) a.write("more" + std::to_string(i), "more");
  for (const char* file : {"deleted", "replaced"}) a.write_at(file, 0, std::string(6000, 'b'));
  a.unlink_and_write_on("deleted", std::string(8000, 'x'));
  a.unlink_and_write_on("replaced", std::string(8000, 'x'), "other");
  for (int i = 0; i < 10; ++i) a.write("after" + std::to_string(i), "more");
  const auto expected = a.tree();
  a.remote().set_offline(false);
  int stood_in = 0;
  a.remote().carry_commit = [&](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
    auto reply = deliver(commit);
    for (const auto& [path, plain] : volume_.tree()) {
      EXPECT_EQ(plain.bytes.find_first_of(std::string_view("x\0", 2)), std::string::npos) << path;
      stood_in += path == "deleted" && plain.bytes == "0";   // what the server had before
    }
    return reply;
  };
  while (a.store().pending().records > 0) ASSERT_TRUE(a.engine().step().ok());
  EXPECT_GT(stood_in, 0);
  EXPECT_EQ(a.tree(), expected);
  std::vector<std::string> there;
  for (const auto& [path, plain] : volume_.tree()) {
    there.push_back(path);
    EXPECT_EQ(plain.bytes.find('x'), std::string::npos) << path;
  }
  EXPECT_EQ(there, keys(expected));
  a.check();
}

/// A conflict copy that was written on: its content goes ahead of its records as any other's does, and the records after that are
/// about the copy still. They made a second one, and a deletion found nothing to delete.
TEST_F(SyncFaultsTest, ACopyThatWasSentAheadOfItsRecordsIsTheSameCopy) {
  SyncDevice& b = device("berta");
  SyncDevice a(volume_, "anna", 9, directory_ + "/alone", {.stepped = true});
  a.options.max_batch_records = 3;
  a.stop();
  a.start();
  for (const char* file : {"kept", "deleted", "replaced"}) b.write(file, "0");
  b.sync();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(a.engine().step().ok());
  for (const char* file : {"kept", "deleted", "replaced"}) ASSERT_EQ(a.read(file), "0");
  a.remote().set_offline(true);
  for (int i = 1; i <= 8; ++i)
    for (const char* file : {"kept", "deleted", "replaced"}) a.write_at(file, 0, std::string(3000, static_cast<char>('a' + i)));
  a.unlink("deleted");
  a.write("new", "new");
  a.rename("new", "replaced");
  for (int i = 0; i < 10; ++i) a.write("after" + std::to_string(i), "more");
  for (const char* file : {"kept", "deleted", "replaced"}) b.write(file, "other");
  b.sync();
  a.remote().set_offline(false);
  for (int i = 0; i < 100 && (i < 5 || a.store().pending().records > 0); ++i) ASSERT_TRUE(a.engine().step().ok());
  std::map<std::string, int> contents;
  for (const auto& [path, plain] : volume_.tree())
    if (!path.starts_with("after")) ++contents[plain.bytes.size() > 10 ? plain.bytes.substr(0, 1) : plain.bytes];
  EXPECT_EQ(contents, (std::map<std::string, int>{{"other", 3}, {"new", 1}, {"i", 1}}));
  a.check();
  expect_converged();
  EXPECT_EQ(a.tree(), b.tree());
}

/// A file that was made, written and deleted before anything of it was sent: its bytes are gone. Of a long backlog its making goes
/// first, and another device writes what it sees there: the rest becomes a copy, of bytes that are gone. Sending stopped at it.
TEST_F(SyncFaultsTest, ACopyOfWhatIsDeletedAlreadyHoldsUpNothing) {
  SyncDevice& b = device("berta");
  SyncDevice a(volume_, "anna", 9, directory_ + "/alone", {.stepped = true});
  a.paths();
  a.remote().set_offline(true);
  a.write("f", "0");
  for (int i = 1; i <= 4; ++i) a.write_at("f", 0, std::string(6000, static_cast<char>('a' + i)));
  a.unlink("f");
  a.stop();
  a.options.max_batch_records = 2;
  a.start();   // lets go of what has no name
  for (int i = 0; i < 5; ++i) a.write("after" + std::to_string(i), "more");
  a.remote().set_offline(false);
  a.remote().carry_commit = [&, commits = 0](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) mutable {
    auto reply = deliver(commit);
    if (++commits != 1) return reply;
    EXPECT_TRUE(volume_.tree().contains("f"));
    b.catch_up();
    b.write("f", "other");
    b.sync();
    return reply;
  };
  for (int i = 0; i < 100 && a.store().pending().records > 0; ++i) {
    const Status stepped = a.engine().step();
    ASSERT_TRUE(stepped.ok()) << stepped.error().to_string();
  }
  EXPECT_EQ(a.store().pending().records, 0u);
  EXPECT_EQ(a.store().pending().files, 0u);
  a.check();
  expect_converged();
  EXPECT_EQ(a.tree(), b.tree());
  EXPECT_EQ(volume_.tree().at("f").bytes, "other");
  EXPECT_EQ(volume_.tree().size(), 6u);
}

/// A rename comes to nothing when another device has moved the file first, and what it replaced stands: that it had become a conflict
/// copy in between, whose bytes were let go of with the replaced file, made it a file without bytes, which nothing could send.
TEST_F(SyncFaultsTest, WhatAConflictCopyHeldIsThereWhenItsReplacementIsUndone) {
  SyncDevice& b = device("berta");
  SyncDevice a(volume_, "anna", 9, directory_ + "/alone", {.stepped = true});
  b.write("f", "0");
  b.write("g", "replacement");
  b.sync();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(a.engine().step().ok());
  ASSERT_EQ(a.read("f") + a.read("g"), "0replacement");
  a.remote().set_offline(true);
  a.write("f", std::string(6000, 'm'));
  a.rename("g", "f");
  a.write("large", noise(9000, 1));
  b.write("f", "other");
  b.sync();
  a.remote().set_offline(false);
  a.remote().carry = [](std::string_view call) { return call == "pack" ? Status(Error(Code::kOffline, "the line is cut")) : Status(); };
  EXPECT_FALSE(a.engine().step().ok());   // hears of the other write
  a.remote().carry = nullptr;
  a.remote().set_offline(true);
  a.stop();
  a.start();
  {
    MutexLock lock(a.store().mutex());
    const auto copy = a.store().inode(lock, make_inode_id(WriterId{9}, 1));
    ASSERT_TRUE(copy.ok() && copy->links == 0) << "nothing has become a copy, or it is gone";
    EXPECT_TRUE(a.store().may_come_back(lock, *copy));
  }
  b.rename("g", "h");
  b.sync();
  a.remote().set_offline(false);
  for (int i = 0; i < 20 && (i < 3 || a.store().pending().records > 0); ++i) {
    const Status stepped = a.engine().step();
    ASSERT_TRUE(stepped.ok()) << stepped.error().to_string();
  }
  expect_converged();
  EXPECT_EQ(a.tree(), b.tree());
  std::map<std::string, int> contents;
  for (const auto& [path, plain] : volume_.tree())
    if (path != "large") ++contents[plain.bytes.substr(0, 5)];
  EXPECT_EQ(contents, (std::map<std::string, int>{{"other", 1}, {"repla", 1}, {"mmmmm", 1}}));
  a.check();
}

bool stops(SyncDevice& device) {
  for (int i = 0; i < 1000 && !device.engine().status().stopped; ++i) {
    device.engine().wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return device.engine().status().stopped;
}

/// The numbers of the records that it makes are taken: what it did is neither sent under them nor taken for sent.
TEST_F(SyncFaultsTest, AStateThatWasPutBackAndWorkedInStops) {
  SyncDevice& a = device("anna");
  SyncDevice& b = device("berta");
  a.write("f", "one");
  a.sync();
  a.stop();
  const std::string state = directory_ + "/anna", copy = directory_ + "/copy";
  std::filesystem::copy(state, copy, std::filesystem::copy_options::recursive);
  a.start();
  a.write("f", "two");
  a.write("g", "three");
  a.sync();
  a.stop();
  std::filesystem::remove_all(state);
  std::filesystem::copy(copy, state, std::filesystem::copy_options::recursive);
  a.remote().set_offline(true);
  a.start();
  for (int i = 0; i < 10; ++i) a.write("mine" + std::to_string(i), "mine");
  a.stop();   // a second start forgets nothing of it
  a.start();
  a.remote().set_offline(false);
  ASSERT_TRUE(stops(a));
  EXPECT_NE(a.engine().status().reason.find("older state"), std::string::npos) << a.engine().status().reason;
  EXPECT_EQ(a.read("mine7"), "mine");
  EXPECT_GT(a.store().pending().records, 0u);
  b.catch_up();
  EXPECT_EQ(b.tree(), (std::map<std::string, std::string>{{"f", "two"}, {"g", "three"}}));
}

/// Two copies of one state at work at the same time: the second finds its number used with another body.
TEST_F(SyncFaultsTest, ACopiedStateStopsThoughItHasOfferedTheSameNumber) {
  SyncDevice& a = device("anna");
  a.write("f", "one");
  a.sync();
  a.stop();
  const std::string state = directory_ + "/anna", copy = directory_ + "/copy", first = directory_ + "/first";
  std::filesystem::copy(state, copy, std::filesystem::copy_options::recursive);
  a.start();
  a.write("g", "by the original");
  a.sync();
  a.stop();
  std::filesystem::rename(state, first);
  std::filesystem::copy(copy, state, std::filesystem::copy_options::recursive);
  a.remote().set_offline(true);
  a.start();
  a.write("g", "by the copy, at the same number");
  a.remote().refuse_commits = 1;   // it gets as far as offering
  a.remote().set_offline(false);
  ASSERT_TRUE(stops(a));
  EXPECT_EQ(a.read("g"), "by the copy, at the same number");
}

}  // namespace
}  // namespace skymoor::client
