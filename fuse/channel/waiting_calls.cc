#include "fuse/channel/waiting_calls.h"

#include <algorithm>

#include "fuse/channel/lock_ranks.h"
#include "shared/base/executor.h"

namespace skymoor::client {
namespace {

// The kernel tells of a caller's first signal only: whether another one ends it must be looked for. A look costs some
// 20 microseconds, so that many callers are looked at less often.
constexpr auto kLook = std::chrono::milliseconds(20), kLookEach = std::chrono::milliseconds(1);
constexpr std::chrono::nanoseconds kIdle = std::chrono::hours(1);

}  // namespace

WaitingCalls::WaitingCalls(std::function<bool(pid_t)> wants_out)
    : wants_out_(std::move(wants_out)), mutex_(kWaitingCallsRank, "channel.waiting_calls") {
  thread_ = std::thread([this] {
    set_thread_name("deadlines");
    run();
  });
}

bool WaitingCalls::insert(const MutexLock&, Wait& wait, Instant deadline) {
  if (stopping_) return false;
  wait.at_ = waiting_.emplace(deadline, wait.shared_from_this());
  wait.waiting_ = true;
  if (wait.signalled_) signals_.push_back(wait.shared_from_this());
  if (wait.signalled_ || wait.at_ == waiting_.begin()) changed_.notify_all();
  return true;
}

bool WaitingCalls::add(Wait& wait, Instant deadline) {
  MutexLock lock(mutex_);
  return waiting_.size() < kMaxWaiting && insert(lock, wait, deadline);
}

bool WaitingCalls::resume(Wait& wait, Instant deadline) {
  MutexLock lock(mutex_);
  return insert(lock, wait, deadline);
}

void WaitingCalls::take_out(const MutexLock&, Wait& wait) {
  waiting_.erase(wait.at_);
  wait.waiting_ = false;
}

bool WaitingCalls::claim(Wait& wait) {
  MutexLock lock(mutex_);
  if (!wait.waiting_) return false;
  take_out(lock, wait);
  return true;
}

void WaitingCalls::signalled(Wait& wait) {
  MutexLock lock(mutex_);
  wait.signalled_ = true;
  if (!wait.waiting_) return;
  signals_.push_back(wait.shared_from_this());
  changed_.notify_all();
}

void WaitingCalls::end(const MutexLock& lock, const std::shared_ptr<Wait>& wait, End why) {
  take_out(lock, *wait);
  MutexUnlock meanwhile(mutex_);
  wait->end(why);
  wait->stop_.request_stop();
}

void WaitingCalls::judge(const MutexLock& lock, std::vector<std::shared_ptr<Wait>> waits) {
  for (const auto& wait : waits) {
    if (!wait->waiting_ || stopping_) continue;
    bool over;
    {
      MutexUnlock meanwhile(mutex_);
      over = wants_out_(wait->caller_);
    }
    if (!wait->waiting_) continue;
    if (over)
      end(lock, wait, End::kInterrupted);
    else if (std::find(watched_.begin(), watched_.end(), wait) == watched_.end())
      watched_.push_back(wait);
  }
}

void WaitingCalls::run() {
  MutexLock lock(mutex_);
  Instant next_look = SystemClock().monotonic();
  while (!stopping_) {
    const Instant now = SystemClock().monotonic();
    if (!signals_.empty()) {
      judge(lock, std::exchange(signals_, {}));
    } else if (!waiting_.empty() && waiting_.begin()->first <= now) {
      end(lock, std::shared_ptr(waiting_.begin()->second), End::kTimedOut);
    } else if (!watched_.empty() && next_look <= now) {
      judge(lock, std::exchange(watched_, {}));
      next_look = now + std::max<std::chrono::nanoseconds>(kLook, watched_.size() * kLookEach);
    } else {
      std::chrono::nanoseconds pause = kIdle;
      if (!waiting_.empty()) pause = std::min<std::chrono::nanoseconds>(pause, waiting_.begin()->first - now);
      if (!watched_.empty()) pause = std::min<std::chrono::nanoseconds>(pause, next_look - now);
      changed_.wait_for(lock, pause);
    }
  }
}

void WaitingCalls::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  while (!waiting_.empty()) end(lock, std::shared_ptr(waiting_.begin()->second), End::kStopped);
  signals_.clear();
  watched_.clear();
}

}  // namespace skymoor::client
