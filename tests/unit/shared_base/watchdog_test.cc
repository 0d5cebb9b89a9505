#include "shared/base/watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>

#include "shared/base/thread_stack.h"

namespace skymoor {
namespace {

using namespace std::chrono_literals;

bool soon(const std::function<bool()>& done) {
  for (const auto until = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < until;
       std::this_thread::sleep_for(5ms))
    if (done()) return true;
  return false;
}

/// What it is called shows in its stack.
__attribute__((noinline)) void hang_until(std::atomic<bool>& over) {
  while (!over) ::usleep(1000);
}

TEST(WatchdogTest, AThreadThatDoesNotMoveIsNamedWithItsStackUntilItDoes) {
  Watchdog watchdog(100ms);
  std::atomic<bool> over{false}, ended{false};
  std::jthread worker([&] {
    Watchdog::Watched watched(&watchdog, "worker");
    {
      Watchdog::Busy busy(watched);
      hang_until(over);
    }
    while (!ended) std::this_thread::sleep_for(1ms);
  });
  ASSERT_TRUE(soon([&] { return watchdog.stuck().size() == 1; }));
  const Watchdog::Stuck stuck = watchdog.stuck().front();
  EXPECT_EQ(stuck.thread, "worker");
  EXPECT_FALSE(stuck.stack.empty());
#ifdef SKYMOOR_HAS_LIBBACKTRACE
  EXPECT_NE(stuck.stack.find("hang_until"), std::string::npos) << stuck.stack;
#endif
  over = true;
  EXPECT_TRUE(soon([&] { return watchdog.stuck().empty(); }));
  ended = true;
}

TEST(WatchdogTest, WhoWaitsForTheNetworkMovesOrIsIdleIsLeftAlone) {
  Watchdog watchdog(1s);
  std::atomic<bool> over{false};
  std::jthread nothing([&] {
    Watchdog::Watched watched(&watchdog, "nothing to do");
    hang_until(over);
  });
  std::jthread network([&] {
    Watchdog::Watched watched(&watchdog, "network");
    Watchdog::Busy busy(watched);
    Watchdog::Idle idle;
    Watchdog::Idle within;
    hang_until(over);
  });
  std::jthread moving([&] {
    Watchdog::Watched watched(&watchdog, "moving");
    Watchdog::Busy busy(watched);
    for (; !over; std::this_thread::sleep_for(1ms)) Watchdog::progress();
  });
  std::jthread many([&] {
    Watchdog::Watched watched(&watchdog, "many short ones");
    for (; !over; std::this_thread::sleep_for(1ms)) Watchdog::Busy busy(watched);
  });
  std::this_thread::sleep_for(2500ms);
  EXPECT_TRUE(watchdog.stuck().empty()) << watchdog.stuck().front().thread;
  over = true;
}

TEST(WatchdogTest, AfterTheNetworkAThreadIsWatchedAgain) {
  Watchdog watchdog(100ms);
  std::atomic<bool> over{false};
  std::jthread worker([&] {
    Watchdog::Watched watched(&watchdog, "worker");
    Watchdog::Busy busy(watched);
    { Watchdog::Idle idle; }
    hang_until(over);
  });
  EXPECT_TRUE(soon([&] { return watchdog.stuck().size() == 1; }));
  over = true;
}

TEST(WatchdogTest, AThreadThatEndsIsForgotten) {
  Watchdog watchdog(100ms);
  {
    std::atomic<bool> over{false};
    std::jthread worker([&] {
      Watchdog::Watched watched(&watchdog, "worker");
      watched.begin();
      hang_until(over);
    });
    ASSERT_TRUE(soon([&] { return watchdog.stuck().size() == 1; }));
    over = true;
  }
  EXPECT_TRUE(watchdog.stuck().empty());
  Watchdog::progress();
  Watchdog::Idle nobody;
}

TEST(WatchdogTest, WithoutAWatchdogNothingHappens) {
  Watchdog::Watched watched(nullptr, "nobody");
  Watchdog::Busy busy(watched);
  Watchdog::progress();
}

TEST(ThreadStackTest, WhoIsGoneOrDeafIsNotWaitedFor) {
  EXPECT_EQ(stack_of_thread(999999999, 50ms), "the thread is gone");
  std::atomic<int> tid{0};
  std::atomic<bool> over{false};
  std::jthread deaf([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    tid = ::gettid();
    hang_until(over);
  });
  ASSERT_TRUE(soon([&] { return tid != 0; }));
  EXPECT_TRUE(stack_of_thread(tid, 50ms).starts_with("in the kernel: "));
  over = true;
}

}  // namespace
}  // namespace skymoor
