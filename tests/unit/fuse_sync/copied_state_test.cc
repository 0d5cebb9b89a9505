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

}  // namespace
}  // namespace skymoor::client
