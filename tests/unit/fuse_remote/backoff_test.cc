#include "fuse/remote/backoff.h"

#include <gtest/gtest.h>

#include <thread>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheLimitWithinItsUpperHalf) {
  SystemRandom random;
  Backoff backoff({100ms, 1000ms}, random);
  for (auto full : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    const auto pause = backoff.next();
    EXPECT_GE(pause, full / 2);
    EXPECT_LE(pause, full);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(), 100ms);
}

TEST(Retry, TriesAgainOnlyWhatAPauseMends) {
  SystemRandom random;
  int calls = 0;
  auto result = retry_call({{1ms, 2ms}, 5s, {}}, random, [&]() -> Result<int> {
    if (++calls < 3) return Error(Code::kOffline, "down");
    return 7;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(calls, 3);

  calls = 0;
  auto refused = retry_call({{1ms, 2ms}, 5s, {}}, random, [&]() -> Result<int> {
    ++calls;
    return Error(Code::kForbidden, "no");
  });
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(calls, 1);
}

TEST(Retry, GivesUpWhenTheTimeIsUpOrStopIsAsked) {
  SystemRandom random;
  auto down = []() -> Status { return Error(Code::kOffline, "down"); };
  auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(retry_call({{5ms, 5ms}, 50ms, {}}, random, down).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);

  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(30ms);
    stop.request_stop();
  });
  start = std::chrono::steady_clock::now();
  EXPECT_FALSE(retry_call({{10s, 10s}, 60s, stop.get_token()}, random, down).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

TEST(RetryWhileBusy, WaitsForAServerThatHasTooMuchToDo) {
  int calls = 0;
  auto result = retry_while_busy({}, [&]() -> Result<int> {
    if (++calls <= 2) return Error(calls == 1 ? Code::kBusy : Code::kRateLimited, "try again");
    return 7;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 7);
  EXPECT_EQ(calls, 3);
}

TEST(RetryWhileBusy, IsNotTheCallersBusyWhenItGivesUp) {
  std::stop_source stop;
  stop.request_stop();
  auto result = retry_while_busy(stop.get_token(), []() -> Result<int> { return Error(Code::kBusy, "try again"); });
  EXPECT_EQ(result.error().code(), Code::kUnavailable);
  auto other = retry_while_busy({}, []() -> Result<int> { return Error(Code::kNotFound, "no"); });
  EXPECT_EQ(other.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace skymoor::client
