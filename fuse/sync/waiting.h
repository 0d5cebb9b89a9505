// Waiting with a deadline and a stop token.
#pragma once
#include <algorithm>
#include <chrono>
#include <stop_token>

#include "shared/base/clock.h"
#include "shared/base/mutex.h"
#include "shared/base/watchdog.h"

namespace skymoor::client {

/// Waits on `condition` until it is notified, `deadline` passes or `stop` is asked (somebody must notify then: see
/// NotifyOnStop). Comes back at least four times a second, so that a simulated clock is looked at.
inline void wait_a_while(CondVar& condition, MutexLock& lock, Clock& clock, Instant deadline, const std::stop_token& stop) {
  if (stop.stop_requested()) return;
  const auto left = deadline - clock.monotonic();
  if (left <= std::chrono::nanoseconds::zero()) return;
  Watchdog::progress();
  condition.wait_for(lock, std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(250)));
}

/// Wakes `condition` when `stop` is asked. The mutex must not be held when this is made or goes.
class NotifyOnStop {
 public:
  NotifyOnStop(std::stop_token stop, Mutex& mutex, CondVar& condition)
      : callback_(std::move(stop), Notify{mutex, condition}) {}

 private:
  struct Notify {
    Mutex& mutex;
    CondVar& condition;
    void operator()() const {
      MutexLock lock(mutex);
      condition.notify_all();
    }
  };
  std::stop_callback<Notify> callback_;
};

}  // namespace skymoor::client
