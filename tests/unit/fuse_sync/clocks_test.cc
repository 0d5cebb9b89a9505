// Clocks that are wrong by an hour or ten years, go back, jump or stand still: devices become one all the same, and nothing
// is lost. SKYMOOR_CLOCK_SEEDS: how many schedules (20).
#include "tests/support/seeds.h"
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

using std::chrono::hours;

/// The wall clock is what the test says; deadlines go by the true one.
class WrongClock final : public Clock {
 public:
  enum class Kind { kHourAhead, kHourBehind, kDecadeAhead, kDecadeBehind, kBackwards, kSummerTime, kStopped, kCount };
  explicit WrongClock(Kind kind) : kind_(kind) {}
  Timestamp now() const override {
    const Timestamp real = SystemClock().now();
    const std::uint64_t call = calls_++;
    switch (kind_) {
      case Kind::kHourAhead: return real + hours(1);
      case Kind::kHourBehind: return real - hours(1);
      case Kind::kDecadeAhead: return real + hours(24 * 3653);
      case Kind::kDecadeBehind: return real - hours(24 * 3653);
      case Kind::kBackwards: return real - std::chrono::seconds(call);
      case Kind::kSummerTime: return real + hours(call / 7 % 2);
      default: return Timestamp{std::chrono::seconds(1'700'000'000)};
    }
  }
  Instant monotonic() const override { return SystemClock().monotonic(); }

 private:
  const Kind kind_;
  mutable std::atomic<std::uint64_t> calls_{0};
};

TEST_F(SyncEngineTest, WrongClocksChangeNoOrderAndLoseNothing) {
  const auto seeds = skymoor::testing::number_from("SKYMOOR_CLOCK_SEEDS", 20);
  constexpr auto kKinds = static_cast<std::uint64_t>(WrongClock::Kind::kCount);
  int conflicts = 0;
  for (std::uint64_t seed = skymoor::testing::first_seed(), end = seed + seeds; seed < end; ++seed) {
    std::mt19937_64 dice(seed);
    auto below = [&](std::size_t n) { return static_cast<std::size_t>(dice() % n); };
    WrongClock left(static_cast<WrongClock::Kind>(seed % kKinds));
    WrongClock right(static_cast<WrongClock::Kind>((seed / kKinds + seed + 3) % kKinds));
    TestVolume volume(static_cast<std::uint8_t>(20 + seed % 100));
    const std::string at = directory_ + "/" + std::to_string(seed);
    SyncDevice a(volume, "anna", 1, at + "a", {.clock = &left, .stepped = true});
    SyncDevice b(volume, "berta", 2, at + "b", {.clock = &right, .stepped = true});
    std::set<std::string> must_live;
    int made = 0;
    for (int round = 0; round < 12; ++round) {
      for (SyncDevice* device : {&a, &b}) {
        const std::string name = "f" + std::to_string(below(3)), own = device->name() + std::to_string(round);
        const std::string bytes = std::to_string(++made) + " by " + device->name();
        device->write(own, bytes);
        must_live.insert(bytes);
        if (below(3)) device->write(name, bytes + " in " + name);
        if (below(4) == 0 && device->exists(name)) device->chmod(name, below(2) ? 0600 : 0644);
        if (below(3) == 0) (void)device->engine().step();
      }
    }
    for (int round = 0; round < 4; ++round)
      for (SyncDevice* device : {&a, &b}) (void)device->engine().step();
    const auto tree = a.tree();
    ASSERT_EQ(keys(tree), keys(b.tree())) << "seed " << seed;
    ASSERT_TRUE(tree == b.tree()) << "seed " << seed;
    ASSERT_EQ(a.facts(), b.facts()) << "seed " << seed;
    SyncDevice fresh(volume, "fresh", 3, at + "c", {.stepped = true});
    ASSERT_TRUE(tree == fresh.tree()) << "seed " << seed;
    std::set<std::string> live;
    for (const auto& [path, bytes] : tree) live.insert(bytes), conflicts += path.find("(conflict") != path.npos;
    for (const std::string& bytes : must_live) ASSERT_TRUE(live.contains(bytes)) << bytes << ", seed " << seed;
    a.check();
    b.check();
  }
  EXPECT_GT(conflicts, 0) << "clocks matter for conflicts: there must be some";
}

}  // namespace
}  // namespace skymoor::client
