#include "shared/base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace skymoor {
namespace {

TEST(Executor, RunsEverythingSubmitted) {
  std::atomic<int> sum{0};
  Executor pool({.name = "t", .threads = 3, .queue_limit = 1000});
  for (int i = 1; i <= 100; ++i) ASSERT_TRUE(pool.submit([&sum, i] { sum += i; }).ok());
  pool.drain();
  EXPECT_EQ(sum, 5050);
}

TEST(Executor, QueueIsBounded) {
  std::latch go(1);
  Executor pool({.name = "t", .threads = 1, .queue_limit = 2});
  ASSERT_TRUE(pool.submit([&] { go.wait(); }).ok());
  while (pool.queued() > 0) std::this_thread::yield();
  ASSERT_TRUE(pool.submit([] {}).ok());
  ASSERT_TRUE(pool.submit([] {}).ok());
  EXPECT_EQ(pool.submit([] {}).error().code(), Code::kBusy);
  go.count_down();
  pool.drain();
}

TEST(Executor, SurvivesAThrowingTaskAndRefusesAfterStop) {
  Executor pool({.name = "t"});
  ASSERT_TRUE(pool.submit([] { throw std::runtime_error("expected by the test"); }).ok());
  pool.drain();
  pool.stop();
  EXPECT_EQ(pool.submit([] {}).error().code(), Code::kCancelled);
}

}  // namespace
}  // namespace skymoor
