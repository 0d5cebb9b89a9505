#include "shared/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>

namespace skymoor {
namespace {

TEST(MutexRank, TakingALowerRankAborts) {
#ifdef NDEBUG
  GTEST_SKIP() << "ranks are checked in debug builds";
#else
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Mutex low(1, "low"), high(2, "high");
  EXPECT_DEATH(
      {
        MutexLock a(high);
        MutexLock b(low);
      },
      "taking low .* while holding high");
  MutexLock a(low);
  MutexLock b(high);
#endif
}

TEST(CondVar, WakesAndTimesOut) {
  Mutex mutex(1, "m");
  CondVar changed;
  bool ready = false;
  std::jthread other([&] {
    MutexLock lock(mutex);
    ready = true;
    changed.notify_all();
  });
  MutexLock lock(mutex);
  while (!ready) changed.wait(lock);
  EXPECT_FALSE(changed.wait_for(lock, std::chrono::milliseconds(5)));
}

}  // namespace
}  // namespace skymoor
