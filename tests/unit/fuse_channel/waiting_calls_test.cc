#include "fuse/channel/waiting_calls.h"

#include <gtest/gtest.h>

#include <atomic>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using End = WaitingCalls::End;

Instant now() { return SystemClock().monotonic(); }

/// Counts its ends.
struct Counted final : WaitingCalls::Wait {
  explicit Counted(pid_t caller = 1) : Wait(caller) {}
  void end(End why) override {
    last = why;
    ++ends;
  }
  std::atomic<End> last{End::kStopped};
  std::atomic<int> ends{0};
};

bool soon(const std::function<bool()>& done) {
  for (const Instant until = now() + 10s; now() < until; std::this_thread::sleep_for(1ms))
    if (done()) return true;
  return false;
}

TEST(WaitingCallsTest, EachIsEndedOnceAtItsDeadlineWhoeverWorksForIt) {
  WaitingCalls calls([](pid_t) { return false; });
  std::vector<std::shared_ptr<Counted>> waits;
  const Instant begin = now();
  for (int i = 0; i < 200; ++i) {
    waits.push_back(std::make_shared<Counted>());
    ASSERT_TRUE(calls.add(*waits.back(), begin + 50ms));
  }
  for (const auto& wait : waits) {
    ASSERT_TRUE(soon([&] { return wait->ends == 1; }));
    EXPECT_EQ(wait->last, End::kTimedOut);
    EXPECT_FALSE(calls.claim(*wait));
  }
  EXPECT_GE(now() - begin, 50ms);
  for (const auto& wait : waits) EXPECT_TRUE(soon([&] { return wait->token().stop_requested(); }));
}

TEST(WaitingCallsTest, AnEarlierDeadlineIsNotHiddenByALaterOne) {
  WaitingCalls calls([](pid_t) { return false; });
  auto late = std::make_shared<Counted>(), early = std::make_shared<Counted>();
  ASSERT_TRUE(calls.add(*late, now() + 1h));
  ASSERT_TRUE(calls.add(*early, now() + 20ms));
  EXPECT_TRUE(soon([&] { return early->ends == 1; }));
  EXPECT_EQ(late->ends, 0);
}

TEST(WaitingCallsTest, WhatIsClaimedIsNobodyElsesUntilItIsResumed) {
  WaitingCalls calls([](pid_t) { return true; });
  auto wait = std::make_shared<Counted>();
  ASSERT_TRUE(calls.add(*wait, now() + 1h));
  ASSERT_TRUE(calls.claim(*wait));
  calls.signalled(*wait);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(wait->ends, 0);
  EXPECT_TRUE(calls.resume(*wait, now() + 1h));
  EXPECT_TRUE(soon([&] { return wait->ends == 1; })) << "the signal is not forgotten";
  EXPECT_EQ(wait->last, End::kInterrupted);
}

TEST(WaitingCallsTest, ASignalBeforeTheWaitBeginsCounts) {
  WaitingCalls calls([](pid_t) { return true; });
  auto wait = std::make_shared<Counted>();
  calls.signalled(*wait);
  ASSERT_TRUE(calls.add(*wait, now() + 1h));
  EXPECT_TRUE(soon([&] { return wait->ends == 1; }));
}

TEST(WaitingCallsTest, AfterAHarmlessSignalAnotherOneIsLookedFor) {
  // The kernel tells of the first signal only.
  std::atomic<bool> killed{false};
  WaitingCalls calls([&](pid_t caller) { return caller == 7 && killed; });
  auto wait = std::make_shared<Counted>(7), other = std::make_shared<Counted>(8);
  ASSERT_TRUE(calls.add(*wait, now() + 1h));
  ASSERT_TRUE(calls.add(*other, now() + 1h));
  calls.signalled(*wait);
  calls.signalled(*other);
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(wait->ends, 0);
  killed = true;
  EXPECT_TRUE(soon([&] { return wait->ends == 1; }));
  EXPECT_EQ(wait->last, End::kInterrupted);
  EXPECT_EQ(other->ends, 0);
}

TEST(WaitingCallsTest, TheyAreBounded) {
  WaitingCalls calls([](pid_t) { return false; });
  std::vector<std::shared_ptr<Counted>> waits;
  for (std::size_t i = 0; i < WaitingCalls::kMaxWaiting; ++i) {
    waits.push_back(std::make_shared<Counted>());
    ASSERT_TRUE(calls.add(*waits.back(), now() + 1h));
  }
  auto more = std::make_shared<Counted>();
  EXPECT_FALSE(calls.add(*more, now() + 1h));
  EXPECT_TRUE(calls.claim(*waits.front()));
  EXPECT_TRUE(calls.add(*more, now() + 1h));
}

TEST(WaitingCallsTest, StoppingEndsAllAndTakesNoMore) {
  WaitingCalls calls([](pid_t) { return false; });
  auto wait = std::make_shared<Counted>(), claimed = std::make_shared<Counted>();
  ASSERT_TRUE(calls.add(*wait, now() + 1h));
  ASSERT_TRUE(calls.add(*claimed, now() + 1h));
  ASSERT_TRUE(calls.claim(*claimed));
  calls.stop();
  EXPECT_EQ(wait->ends, 1);
  EXPECT_EQ(wait->last, End::kStopped);
  EXPECT_EQ(claimed->ends, 0);
  EXPECT_FALSE(calls.resume(*claimed, now() + 1h));
  EXPECT_FALSE(calls.add(*claimed, now() + 1h));
}

TEST(WaitingCallsTest, DeadlinesSignalsAndClaimsRaceForOneAnswer) {
  WaitingCalls calls([](pid_t caller) { return caller % 3 == 0; });
  std::atomic<int> claims{0};
  std::vector<std::shared_ptr<Counted>> waits;
  for (int i = 0; i < 600; ++i) waits.push_back(std::make_shared<Counted>(i + 1));
  std::jthread signals([&] {
    for (const auto& wait : waits) calls.signalled(*wait);
  });
  std::jthread claimer([&] {
    for (int round = 0; round < 20; ++round)
      for (const auto& wait : waits) claims += calls.claim(*wait) ? 1 : 0;
  });
  for (const auto& wait : waits) ASSERT_TRUE(calls.add(*wait, now() + 1ms));
  claimer.join();
  signals.join();
  int ends = 0;
  for (const auto& wait : waits) {
    EXPECT_LE(wait->ends, 1);
    ends += wait->ends;
  }
  EXPECT_TRUE(soon([&] {
    ends = 0;
    for (const auto& wait : waits) ends += wait->ends;
    return ends + claims == 600;
  })) << ends << " ended, " << claims << " claimed";
}

}  // namespace
}  // namespace skymoor::client
