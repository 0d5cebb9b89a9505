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
    PosixDisk disk;
    SystemClock clock;
    ASSERT_TRUE(SyncEngine::was_copied(disk, other + "/state"));
    ++noticed;
    copy(other, moved);
    for (const auto& entry : std::filesystem::directory_iterator(moved + "/state"))
      if (entry.path().filename().string().starts_with("log-") || entry.path().filename().string().starts_with("metadata.db"))
        std::filesystem::remove(entry.path());
    MetadataStore::Options options;
    options.directory = other + "/state";
    const StoreIdentity identity{volume.key.volume, SyncDevice::public_of("berta", kOther).id, WriterId{kOther}};
    Status done = MetadataStore::renumber(disk, clock, options, identity, moved + "/state", nullptr);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    auto numbers = MetadataStore::read_renumbering(disk, other + "/state", moved + "/state");
    ASSERT_TRUE(numbers.ok());
    {
      auto backing = BackingStore::open(disk, {.data_directory = moved + "/state", .cache_directory = moved + "/cache"});
      ASSERT_TRUE(backing.ok());
      std::vector<InodeId> files;
      ASSERT_TRUE((*backing)->sweep([&](InodeId inode) { return files.push_back(inode), true; }).ok());
      for (InodeId inode : files) ASSERT_TRUE((*backing)->move(inode, numbers->of(inode)).ok());
    }
    ASSERT_TRUE(SyncEngine::renumber(disk, moved + "/state", *numbers).ok());
    EXPECT_FALSE(SyncEngine::was_copied(disk, moved + "/state"));

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

}  // namespace
}  // namespace skymoor::client
