// The keeper of pins on whole devices. An earlier one span on a core from the moment its first look was due, in every
// mount without pins.
#include "fuse/sync/pin/pin_keeper.h"

#include <gtest/gtest.h>

#include <thread>

#include "fuse/journal/ancestry.h"
#include "tests/support/sync_device.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

/// Counts how often it is asked.
class CountingClock final : public Clock {
 public:
  Timestamp now() const override { return clock_.now(); }
  Instant monotonic() const override {
    ++asked;
    return clock_.monotonic();
  }
  mutable std::atomic<std::uint64_t> asked{0};

 private:
  SystemClock clock_;
};

class PinKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.write("other", "not pinned");
    a_.make_directory("trip");
    a_.make_directory("trip/deep");
    for (int i = 0; i < 100; ++i) a_.write("trip/f" + std::to_string(i), std::string(5000, static_cast<char>('a' + i % 26)));
    a_.write("trip/deep/large", std::string(3u << 20, 'x'));
    a_.sync();
    b_.catch_up();
    trip_ = b_.node("trip").id;
  }
  std::unique_ptr<PinKeeper> keeper(PinKeeper::Options options = {}) {
    options.reserve_bytes = 0;
    options.first_pause = 20ms;
    return std::make_unique<PinKeeper>(
        PinKeeper::Dependencies{b_.store(), b_.backing(), b_.engine(), *pins_, clock_}, options);
  }
  static ::testing::AssertionResult settles(PinKeeper& keeper, std::chrono::seconds limit = 60s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < deadline) {
      if (keeper.view(false).settled) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(2ms);
    }
    return ::testing::AssertionFailure() << "not settled: " << keeper.view(false).trouble;
  }

  testing::TempDir directory_;
  TestVolume volume_{11};
  SyncDevice a_{volume_, "anna", 1, directory_ / "a"}, b_{volume_, "berta", 2, directory_ / "b"};
  PosixDisk disk_;
  CountingClock clock_;
  std::unique_ptr<PinSet> pins_ = *PinSet::open(disk_, directory_ / "pins");
  InodeId trip_;
};

TEST_F(PinKeeperTest, SleepsWithoutPinsHoweverLongItIsDue) {
  auto idle = keeper({.look_again = 1ms});
  std::this_thread::sleep_for(100ms);
  const std::uint64_t before = clock_.asked;
  std::this_thread::sleep_for(300ms);
  EXPECT_LE(clock_.asked - before, 2u);
  EXPECT_EQ(idle->passes(), 0u);
  // Also when the last pin has gone.
  ASSERT_TRUE(idle->pin(trip_).ok());
  EXPECT_TRUE(settles(*idle));
  ASSERT_TRUE(idle->unpin(trip_).ok());
  std::this_thread::sleep_for(100ms);
  const std::uint64_t after = clock_.asked;
  std::this_thread::sleep_for(300ms);
  EXPECT_LE(clock_.asked - after, 2u);
}

TEST_F(PinKeeperTest, RestsWhenEverythingIsHere) {
  ASSERT_TRUE(pins_->add(trip_).ok());
  auto resting = keeper({.look_again = 10'000ms});
  EXPECT_TRUE(settles(*resting));
  const std::uint64_t asked = clock_.asked, passes = resting->passes();
  std::this_thread::sleep_for(300ms);
  EXPECT_LE(clock_.asked - asked, 5u);
  EXPECT_EQ(resting->passes(), passes);
}

TEST_F(PinKeeperTest, FetchesTheTreeAndNothingElse) {
  auto fetching = keeper();
  ASSERT_TRUE(fetching->pin(trip_).ok());
  EXPECT_TRUE(settles(*fetching));
  const auto view = fetching->view(true);
  ASSERT_EQ(view.pins.size(), 1u);
  EXPECT_EQ(view.pins[0].path, "trip");
  EXPECT_EQ(view.pins[0].files, 101u);
  EXPECT_EQ(view.pins[0].bytes, 100u * 5000 + (3u << 20));
  EXPECT_EQ(view.pins[0].missing_files + view.pins[0].unlisted, 0u);
  b_.remote().set_offline(true);
  EXPECT_EQ(b_.read("trip/f7"), std::string(5000, 'h'));
  EXPECT_EQ(b_.read("trip/deep/large").size(), 3u << 20);
  EXPECT_EQ(b_.engine().state_of(b_.node("other").id), "remote-only");
  b_.remote().set_offline(false);
}

TEST_F(PinKeeperTest, WaitsForTheServerAndThenGoesOn) {
  b_.remote().set_offline(true);
  auto waiting = keeper();
  ASSERT_TRUE(waiting->pin(trip_).ok());
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (waiting->view(false).trouble.empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(2ms);
  EXPECT_FALSE(waiting->view(false).trouble.empty());
  EXPECT_FALSE(waiting->view(false).settled);
  b_.remote().set_offline(false);
  EXPECT_TRUE(settles(*waiting));
  EXPECT_EQ(waiting->view(true).pins[0].missing_files, 0u);
}

TEST_F(PinKeeperTest, FollowsWhatTheFeedBrings) {
  auto following = keeper({.gather = 1ms});
  ASSERT_TRUE(following->pin(trip_).ok());
  EXPECT_TRUE(settles(*following));
  a_.write("trip/deep/new", std::string(9000, 'n'));
  a_.write("trip/f1", std::string(7000, 'm'));
  a_.sync();
  b_.catch_up();
  VisibleChanges changes;
  changes.names.push_back({b_.node("trip/deep").id, "new"});
  changes.contents.push_back(b_.node("trip/f1").id);
  following->tree_changed(changes);
  EXPECT_TRUE(settles(*following));
  const auto view = following->view(true);
  EXPECT_EQ(view.pins[0].files, 102u);
  EXPECT_EQ(view.pins[0].missing_files, 0u);
}

TEST_F(PinKeeperTest, FollowsWhatAListingBringsToLight) {
  auto following = keeper({.gather = 1ms});
  ASSERT_TRUE(following->pin(trip_).ok());
  EXPECT_TRUE(settles(*following));
  a_.write("trip/deep/new", std::string(9000, 'n'));
  a_.sync();
  b_.catch_up();
  EXPECT_EQ(following->view(true).pins[0].missing_files, 1u);
  VisibleChanges changes;
  changes.revealed.push_back(b_.node("trip/deep").id);
  EXPECT_FALSE(changes.empty());
  following->tree_changed(changes);
  EXPECT_TRUE(settles(*following));
  EXPECT_EQ(following->view(true).pins[0].missing_files, 0u);
}

TEST_F(PinKeeperTest, WhatIsBelowAPinIsWithinIt) {
  ASSERT_TRUE(pins_->add(trip_).ok());
  ASSERT_TRUE(b_.exists("trip/f3"));
  EXPECT_FALSE(pins_->empty());
  MutexLock lock(b_.store().mutex());
  auto pinned = [this](InodeId at) { return pins_->contains(at); };
  EXPECT_TRUE(is_within(b_.store(), lock, trip_, pinned));
  auto file = b_.store().dentry(lock, trip_, "f3");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(is_within(b_.store(), lock, file->inode, pinned));
  auto other = b_.store().dentry(lock, kRootInode, "other");
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(is_within(b_.store(), lock, other->inode, pinned));
  EXPECT_EQ(path_of(b_.store(), lock, file->inode), "trip/f3");
}

}  // namespace
}  // namespace skymoor::client
