// A device's state that was copied to a second machine or put back to what it was: noticed before anything is sent under a
// number that is taken. SKYMOOR_COPIED_STATES: how often (20).
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class CopiedStateTest : public SyncEngineTest {
 protected:
  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }
  /// What app does with the state in `from` when it goes on as another device: settled with the server, then given to
  /// writer `to` in `into`, with all its files.
  void give_on(TestVolume& volume, const std::string& from, const std::string& into, const std::string& name, std::uint32_t to) {
    ASSERT_NO_FATAL_FAILURE(settle(volume, from));
    copy(from, into);
    for (const auto& entry : std::filesystem::directory_iterator(into + "/state"))
      if (entry.path().filename().string().starts_with("log-") || entry.path().filename().string().starts_with("metadata.db"))
        std::filesystem::remove(entry.path());
    MetadataStore::Options options;
    options.directory = from + "/state";
    const StoreIdentity identity{volume.key.volume, SyncDevice::public_of(name, to).id, WriterId{to}};
    Status done = MetadataStore::renumber(disk_, clock_, options, identity, into + "/state", nullptr);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    auto numbers = MetadataStore::read_renumbering(disk_, from + "/state", into + "/state");
    ASSERT_TRUE(numbers.ok());
    auto backing = BackingStore::open(disk_, {.data_directory = into + "/state", .cache_directory = into + "/cache"});
    ASSERT_TRUE(backing.ok());
    std::vector<InodeId> files;
    ASSERT_TRUE((*backing)->sweep([&](InodeId inode) { return files.push_back(inode), true; }).ok());
    for (InodeId inode : files) ASSERT_TRUE((*backing)->move(inode, numbers->of(inode)).ok());
    for (int i = 0; i < 2; ++i) {   // the second time changes nothing
      ASSERT_TRUE(SyncEngine::renumber(disk_, into + "/state", *numbers).ok());
    }
  }
  void settle(TestVolume& volume, const std::string& at) {
    const auto identity = MetadataStore::read_identity(disk_, at + "/state");
    ASSERT_TRUE(identity.ok());
    MetadataStore::Options options;
    options.directory = at + "/state";
    auto store = MetadataStore::open(disk_, clock_, options, *identity, nullptr);
    ASSERT_TRUE(store.ok());
    if ((*store)->last_offered() <= (*store)->position().acknowledged) return;
    auto backing = BackingStore::open(disk_, {.data_directory = at + "/state", .cache_directory = at + "/cache"});
    ASSERT_TRUE(backing.ok());
    class Nobody final : public TreeListener {
      void tree_changed(const VisibleChanges&) override {}
    } nobody;
    FakeVolumeRemote remote(volume.server);
    SystemRandom random;
    const crypto::KeyPair none;
    SyncEngine::Options sync;
    sync.state_directory = at + "/state";
    const bool copied = SyncEngine::was_copied(disk_, at + "/state");
    Status done = SyncEngine::settle({**store, **backing, remote, clock_, random, nobody, volume.key, none, &disk_}, sync, {});
    EXPECT_EQ(done.ok(), !copied) << done.error().to_string();
  }
  /// Every path of the server's tree that a conflict made.
  static std::vector<std::string> conflict_names(const TestVolume& volume) {
    std::vector<std::string> found;
    for (const auto& [path, plain] : volume.tree())
      if (path.find("(conflict") != path.npos) found.push_back(path);
    return found;
  }
  PosixDisk disk_;
  SystemClock clock_;

  /// No op id was ever given to two commits.
  static void expect_every_number_once(const TestVolume& volume) {
    std::set<OpId> seen;
    for (const FeedEntry& entry : volume.server.feed()) {
      auto commit = decode_commit(entry.commit.payload);
      ASSERT_TRUE(commit.ok());
      EXPECT_TRUE(seen.insert(commit->op).second);
    }
  }
};

TEST_F(CopiedStateTest, NeverSendsUnderANumberThatIsTaken) {
  const auto times = skymoor::testing::number_from("SKYMOOR_COPIED_STATES", 20);
  int noticed = 0;
  for (std::uint64_t seed = skymoor::testing::first_seed(), end = seed + times; seed < end; ++seed) {
    std::mt19937_64 dice(seed);
    auto below = [&](std::size_t n) { return static_cast<std::size_t>(dice() % n); };
    const std::string at = directory_ + "/" + std::to_string(seed), other = at + "-copy";
    TestVolume volume(static_cast<std::uint8_t>(1 + seed % 200));
    auto a = std::make_unique<SyncDevice>(volume, "anna", 1, at, DeviceWorld{.stepped = true});
    auto use = [&](SyncDevice& device, const std::string& who, bool and_send) {
      for (std::size_t i = 1 + below(6); i > 0; --i) {
        device.write(who + std::to_string(below(3)), who + noise(1 + below(3000), dice()));
        if (and_send && below(2)) (void)device.engine().step();
      }
    };
    use(*a, "first", true);
    if (below(2)) {
      ASSERT_TRUE(a->engine().step().ok());
    }
    a->stop();
    copy(at, other);
    a->start();
    use(*a, "original", true);
    ASSERT_TRUE(a->engine().step().ok());
    const auto server = volume.tree();
    a->stop();
    // The same device id, either at the old place (put back) or beside it (copied).
    SyncDevice b(volume, "anna", 1, other, {.stepped = true});
    b.remote().set_offline(true);
    use(b, "copy", false);
    if (below(2)) {
      b.stop();
      b.start();
    }
    b.remote().set_offline(false);
    for (int i = 0; i < 4; ++i) (void)b.engine().step();
    const auto status = b.engine().status();
    noticed += status.stopped;
    expect_every_number_once(volume);
    // What the original sent stays, and what the copy did is either sent as its own or kept by it, unsent.
    for (const auto& [path, plain] : server) ASSERT_TRUE(volume.tree().contains(path)) << path << ", seed " << seed;
    ASSERT_TRUE(status.stopped || b.store().pending().records == 0) << "seed " << seed;
    if (status.stopped) {
      EXPECT_FALSE(status.reason.empty());
    }
    b.stop();
    // The original goes on.
    a->start();
    a->write("later", "x");
    ASSERT_TRUE(a->engine().step().ok()) << "seed " << seed << ": " << a->engine().status().reason;
    ASSERT_TRUE(volume.tree().contains("later"));
  }
  std::cout << noticed << " of " << times << " copies were stopped\n";
  EXPECT_GT(noticed, 0);
}

/// What a user does at random; what was written into each file that may still be there.
class RandomHand {
 public:
  RandomHand(SyncDevice& device, std::string who, std::mt19937_64& dice) : device_(device), who_(std::move(who)), dice_(dice) {}
  void use(std::size_t times) {
    for (; times > 0; --times) step();
  }
  const std::set<std::string>& written() const { return written_; }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(dice_() % n); }
  std::string name() { return (below(2) ? "d" + std::to_string(below(2)) + "/f" : "f") + std::to_string(below(4)); }
  std::string text() { return *written_.insert(who_ + noise(1 + below(20) * 700, dice_())).first; }
  void step() {
    const std::string at = name(), to = name();
    for (const std::string& path : {at, to})
      if (path[0] == 'd' && !device_.exists(path.substr(0, 2))) device_.make_directory(path.substr(0, 2));
    switch (below(8)) {
      case 0: if (device_.exists(at)) device_.unlink(at); break;
      case 1: if (device_.exists(at) && at != to) device_.rename(at, to); break;
      case 2: if (device_.exists(at) && !device_.exists(to)) device_.link(at, to); break;
      case 3: if (device_.exists(at)) device_.set_xattr(at, "user.by", who_); break;
      case 4: if (!device_.exists("s" + at.substr(at.size() - 1))) device_.symlink(who_, "s" + at.substr(at.size() - 1)); break;
      default: device_.write(at, text()); break;
    }
  }
  SyncDevice& device_;
  const std::string who_;
  std::mt19937_64& dice_;
  std::set<std::string> written_;
};

TEST_F(CopiedStateTest, GoesOnAsAnotherWriterWithAllThatIsUnsent) {
  constexpr std::uint32_t kOther = 60;
  const auto times = skymoor::testing::number_from("SKYMOOR_COPIED_STATES", 20);
  int noticed = 0, unsent = 0;
  for (std::uint64_t seed = skymoor::testing::first_seed(), end = seed + times; seed < end; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 dice(seed);
    const std::string at = directory_ + "/" + std::to_string(seed), other = at + "-copy", moved = at + "-moved";
    TestVolume volume(static_cast<std::uint8_t>(1 + seed % 200));
    auto a = std::make_unique<SyncDevice>(volume, "anna", 1, at, DeviceWorld{.stepped = true});
    RandomHand(*a, "first", dice).use(8);
    for (int i = 0; i < 3; ++i) (void)a->engine().step();
    RandomHand(*a, "before", dice).use(dice() % 4);   // unsent in both
    a->stop();
    copy(at, other);
    a->start();
    RandomHand(*a, "original", dice).use(6);
    a->write("surely", "x");
    for (int i = 0; i < 4; ++i) (void)a->engine().step();
    a->stop();

    std::map<std::string, std::string> seen;
    std::set<std::string> mine;
    {
      SyncDevice b(volume, "anna", 1, other, {.stepped = true});
      b.tree();   // here from now on
      b.remote().set_offline(true);
      RandomHand hand(b, "copy", dice);
      hand.use(10);
      mine = hand.written();
      seen = b.tree();
      b.remote().set_offline(false);
      for (int i = 0; i < 4; ++i) (void)b.engine().step();
      ASSERT_TRUE(b.engine().status().stopped);
      unsent += b.store().pending().records > 0;
      b.stop();
    }
    ASSERT_TRUE(SyncEngine::was_copied(disk_, other + "/state"));
    ++noticed;
    ASSERT_NO_FATAL_FAILURE(give_on(volume, other, moved, "berta", kOther));
    EXPECT_FALSE(SyncEngine::was_copied(disk_, moved + "/state"));

    SyncDevice b(volume, "berta", kOther, moved, {.stepped = true});
    EXPECT_NO_THROW(b.check());
    EXPECT_EQ(b.tree(), seen);   // the user sees what he saw
    a->start();
    for (int i = 0; i < 8; ++i) {
      (void)b.engine().step();
      (void)a->engine().step();
    }
    for (SyncDevice* device : {a.get(), &b}) {
      ASSERT_FALSE(device->engine().status().stopped) << device->engine().status().reason;
      EXPECT_EQ(device->store().pending().records, 0u);
      EXPECT_NO_THROW(device->check());
    }
    const auto both = a->tree();
    EXPECT_EQ(both, b.tree());
    expect_every_number_once(volume);
    std::set<std::string> there;
    for (const auto& [path, bytes] : both) there.insert(bytes);
    for (const auto& [path, bytes] : seen)
      if (mine.contains(bytes)) {
        EXPECT_TRUE(there.contains(bytes)) << path << " is lost";
      }
  }
  std::cout << noticed << " of " << times << " copies went on, " << unsent << " with unsent changes\n";
  EXPECT_EQ(noticed, static_cast<int>(times));
  EXPECT_GT(unsent, 0);
}

/// A device whose last answer was lost goes on as another one: its own changes met themselves, and every file that was written
/// since got a conflict copy beside it.
TEST_F(CopiedStateTest, WhatTheServerTookBeforeIsNotDoneAgain) {
  TestVolume volume(3);
  const std::string at = directory_ + "/a", into = directory_ + "/b";
  std::map<std::string, std::string> seen;
  {
    SyncDevice a(volume, "anna", 1, at, {.stepped = true});
    a.make_directory("d");
    for (const char* name : {"kept", "edited", "d/moved", "deleted"}) a.write(name, noise(3000, 1));
    ASSERT_TRUE(a.engine().step().ok());
    a.write("edited", noise(9000, 2));
    a.write("new", noise(4000, 3));
    a.write("replaced.tmp", noise(500, 4));
    a.rename("replaced.tmp", "kept");
    a.rename("d/moved", "moved");
    a.unlink("deleted");
    a.chmod("new", 0640);
    a.remote().lose_commit_answers = 1;
    ASSERT_FALSE(a.engine().step().ok());
    a.remote().set_offline(true);
    // Its user works on.
    a.write("edited", noise(9500, 5));
    a.write_at("new", 100, "more");
    a.write("kept", noise(600, 6));
    a.rename("moved", "d/moved again");
    a.write("deleted", noise(70, 7));
    a.chmod("new", 0600);
    seen = a.tree();
    a.stop();
  }
  ASSERT_NO_FATAL_FAILURE(give_on(volume, at, into, "berta", 60));
  SyncDevice b(volume, "berta", 60, into, {.stepped = true});
  for (int i = 0; i < 4; ++i) (void)b.engine().step();
  EXPECT_FALSE(b.engine().status().stopped) << b.engine().status().reason;
  EXPECT_EQ(conflict_names(volume), std::vector<std::string>());
  EXPECT_EQ(b.store().pending().records, 0u);
  EXPECT_EQ(b.tree(), seen);
  SyncDevice fresh(volume, "fresh", 61, directory_ + "/fresh", {.stepped = true});
  EXPECT_EQ(fresh.tree(), seen);
  EXPECT_EQ(fresh.facts(), b.facts());
  EXPECT_NO_THROW(b.check());
  expect_every_number_once(volume);
}

/// A commit that is full takes what a file holds by then, ahead of the records that made it; as another device's, those met it.
TEST_F(CopiedStateTest, WhatWasSentAheadOfItsRecordsIsNotDoneAgain) {
  TestVolume volume(3);
  const std::string at = directory_ + "/a", into = directory_ + "/b";
  std::map<std::string, std::string> seen;
  {
    SyncDevice a(volume, "anna", 1, at, {.stepped = true});
    a.write("f", noise(3000, 1));
    ASSERT_TRUE(a.engine().step().ok());
    a.stop();
    a.options.max_batch_records = 2;
    a.start();
    a.write_at("f", 0, "first");
    a.symlink("nowhere", "s1");
    a.symlink("nowhere", "s2");
    a.write_at("f", 10, "second");
    a.set_mtime("f", Timestamp(std::chrono::seconds(1000)));
    a.write_at("f", 20, "third");
    int commits = 0;
    a.remote().carry_commit = [&](const SignedCommit& commit, const FakeVolumeRemote::Deliver& deliver) {
      return commits++ == 0 ? deliver(commit) : Result<protocol::CommitReply>(Error(Code::kOffline, "gone"));
    };
    (void)a.engine().step();
    ASSERT_EQ(commits, 2);
    ASSERT_NE(volume.tree().at("f").bytes.find("third"), std::string::npos) << "nothing was sent ahead";
    ASSERT_GT(a.store().pending().records, 0u);
    a.write_at("f", 30, "fourth");
    a.chmod("f", 0600);
    seen = a.tree();
    a.stop();
  }
  ASSERT_NO_FATAL_FAILURE(give_on(volume, at, into, "berta", 60));
  SyncDevice b(volume, "berta", 60, into, {.stepped = true});
  const auto facts = b.facts();
  EXPECT_EQ(b.tree(), seen);
  for (int i = 0; i < 4; ++i) (void)b.engine().step();
  EXPECT_FALSE(b.engine().status().stopped) << b.engine().status().reason;
  EXPECT_EQ(conflict_names(volume), std::vector<std::string>());
  EXPECT_EQ(b.store().pending().records, 0u);
  EXPECT_EQ(b.tree(), seen);
  EXPECT_EQ(b.facts(), facts);
  SyncDevice fresh(volume, "fresh", 61, directory_ + "/fresh", {.stepped = true});
  EXPECT_EQ(fresh.tree(), seen);
  EXPECT_EQ(fresh.facts(), facts);
  // And goes on from there.
  b.write_at("f", 40, "fifth");
  ASSERT_TRUE(b.engine().step().ok());
  ASSERT_TRUE(fresh.engine().step().ok());
  EXPECT_EQ(fresh.tree(), b.tree());
  EXPECT_EQ(conflict_names(volume), std::vector<std::string>());
  EXPECT_NO_THROW(b.check());
}

}  // namespace
}  // namespace skymoor::client
