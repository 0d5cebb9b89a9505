// Listings that take longer than anybody waits.
#include <thread>

#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class ListingsTest : public SyncEngineTest {
 protected:
  ListingsTest() : a(device("anna")), b(device("berta")) {
    a.make_directory("d");
    for (int i = 0; i < 20; ++i) a.write("d/f" + std::to_string(i), "x");
    a.sync();
    b.stop();
    b.remote().carry = [line = line_](std::string_view call) -> Status {
      if (call != "list") return {};
      ++line->lists;
      while (line->held) std::this_thread::sleep_for(1ms);
      return {};
    };
    b.options.list_ahead = 0;
    b.start();
    b.catch_up();
    directory_ = b.node("d").id;
    line_->lists = 0;
    line_->held = true;
  }
  void TearDown() override {
    line_->held = false;
    SyncEngineTest::TearDown();
  }

  Status fetch(std::chrono::milliseconds patience) {
    return b.engine().fetch_directory(directory_, SystemClock().monotonic() + patience, {});
  }
  struct Held {
    std::atomic<bool> held{false};
    std::atomic<int> lists{0};
  };
  SyncDevice& a;
  SyncDevice& b;
  const std::shared_ptr<Held> line_ = std::make_shared<Held>();
  InodeId directory_;
};

TEST_F(ListingsTest, GoOnThoughNobodyWaitsAnyMore) {
  for (int i = 0; i < 3; ++i) {
    const Status fetched = fetch(20ms);
    ASSERT_FALSE(fetched.ok());
    EXPECT_EQ(fetched.error().code(), Code::kTimedOut);
  }
  EXPECT_EQ(line_->lists, 1) << "begun anew by each who asked";
  line_->held = false;
  ASSERT_TRUE(fetch(10s).ok());
  EXPECT_EQ(line_->lists, 1);
  EXPECT_EQ(b.paths().size(), 21u);
}

TEST_F(ListingsTest, AreSharedByAllWhoAskAndEndWithTheEngine) {
  std::atomic<int> ended{0}, fine{0};
  {
    std::vector<std::jthread> askers;
    for (int i = 0; i < 5; ++i)
      askers.emplace_back([&] {
        fine += fetch(10s).ok();
        ++ended;
      });
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(ended, 0);
    line_->held = false;
  }
  EXPECT_EQ(fine, 5);
  EXPECT_EQ(line_->lists, 1);
}

TEST_F(ListingsTest, ThatNobodyWaitsForAnyMoreAreNotBegun) {
  line_->held = false;
  for (int i = 0; i < 30; ++i) a.make_directory("many" + std::to_string(i));
  a.sync();
  b.catch_up();
  std::vector<InodeId> many;
  for (int i = 0; i < 30; ++i) many.push_back(b.node("many" + std::to_string(i)).id);
  line_->lists = 0;
  line_->held = true;
  for (InodeId one : many) EXPECT_FALSE(b.engine().fetch_directory(one, SystemClock().monotonic() + 10ms, {}).ok());
  const int begun = line_->lists;
  EXPECT_GT(begun, 0);
  EXPECT_LE(begun, 8) << "as many as are listed at once";
  line_->held = false;
  ASSERT_TRUE(fetch(10s).ok());
  EXPECT_LE(line_->lists, 9) << "of 31 only those that had begun, and the one that is waited for";
}

TEST_F(ListingsTest, AnInterruptedCallerLeavesAtOnce) {
  std::stop_source stop;
  std::jthread interrupter([&] {
    std::this_thread::sleep_for(30ms);
    stop.request_stop();
  });
  const Instant begin = SystemClock().monotonic();
  const Status fetched = b.engine().fetch_directory(directory_, begin + 20s, stop.get_token());
  EXPECT_EQ(fetched.error().code(), Code::kInterrupted);
  EXPECT_LT(SystemClock().monotonic() - begin, 5s);
}

}  // namespace
}  // namespace skymoor::client
