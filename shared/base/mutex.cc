#include "shared/base/mutex.h"

#include <pthread.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace skymoor {
namespace {

bool lock_within(std::mutex& mutex, std::chrono::milliseconds patience) {
  if (mutex.try_lock()) return true;
#ifdef __SANITIZE_THREAD__
  constexpr clockid_t kClock = CLOCK_REALTIME;   // the sanitizer does not know the other call
#else
  constexpr clockid_t kClock = CLOCK_MONOTONIC;
#endif
  timespec end = {};
  ::clock_gettime(kClock, &end);
  const auto ns = std::chrono::nanoseconds(patience).count() + end.tv_nsec;
  end.tv_sec += static_cast<time_t>(ns / 1'000'000'000);
  end.tv_nsec = static_cast<long>(ns % 1'000'000'000);
#ifdef __SANITIZE_THREAD__
  return ::pthread_mutex_timedlock(mutex.native_handle(), &end) == 0;
#else
  return ::pthread_mutex_clocklock(mutex.native_handle(), kClock, &end) == 0;
#endif
}

}  // namespace

bool Mutex::try_lock_for(std::chrono::milliseconds patience) {
#ifndef NDEBUG
  lock_order::entering(rank_, name_);
#endif
  if (lock_within(mutex_, patience)) return true;
#ifndef NDEBUG
  lock_order::leaving(rank_);
#endif
  return false;
}

}  // namespace skymoor

namespace skymoor::lock_order {
namespace {

struct Held {
  LockRank rank;
  const char* name;
};
thread_local std::vector<Held> held;

}  // namespace

void entering(LockRank rank, const char* name) {
  if (!held.empty() && held.back().rank >= rank) {
    std::fprintf(stderr, "lock order broken: taking %s (rank %u) while holding %s (rank %u)\n", name, rank,
                 held.back().name, held.back().rank);
    std::abort();
  }
  held.push_back({rank, name});
}

void leaving(LockRank rank) {
  for (auto it = held.rbegin(); it != held.rend(); ++it)
    if (it->rank == rank) {
      held.erase(std::next(it).base());
      return;
    }
}

}  // namespace skymoor::lock_order
