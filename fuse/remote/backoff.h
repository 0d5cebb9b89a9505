// Pauses between attempts, and trying again.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace skymoor::client {

/// Waits `pause`, or until stop is asked; false then.
inline bool sleep_unless_stopped(std::chrono::milliseconds pause, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

/// Pauses that double up to a limit, each drawn from its upper half: many devices that lost one server together do not
/// come back together. Not thread-safe.
class Backoff {
 public:
  struct Options {
    std::chrono::milliseconds first{250}, longest{15000};
  };
  Backoff(Options options, Random& random) : options_(options), random_(random), next_(options.first) {}
  std::chrono::milliseconds next() {
    const auto full = static_cast<std::uint64_t>(std::max<std::int64_t>(2, next_.count()));
    next_ = std::min(options_.longest, next_ * 2);
    return std::chrono::milliseconds(full / 2 + random_.u64() % (full / 2 + 1));
  }
  void reset() { next_ = options_.first; }

 private:
  const Options options_;
  Random& random_;
  std::chrono::milliseconds next_;
};

struct RetryOptions {
  Backoff::Options backoff;
  std::chrono::milliseconds timeout{60000};  ///< no new attempt after this long
  std::stop_token stop;
};

/// Calls `attempt` until it succeeds, fails with an error that a pause does not mend (retry_of), or the time is up; gives
/// its last answer. Blocks.
template <typename Attempt>
auto retry_call(const RetryOptions& options, Random& random, Attempt attempt) -> decltype(attempt()) {
  Backoff backoff(options.backoff, random);
  const auto deadline = std::chrono::steady_clock::now() + options.timeout;
  for (;;) {
    auto result = attempt();
    if (result.ok() || retry_of(result.error().code()) != Retry::kLater) return result;
    const auto pause = backoff.next();
    if (std::chrono::steady_clock::now() + pause > deadline) return result;
    if (!sleep_unless_stopped(pause, options.stop)) return result;
  }
}

/// Calls `attempt` again while the server says that it has too much to do, for half a minute: another moment is all it takes, and
/// EBUSY would say something else to a program. Then: Unavailable. Blocks.
template <typename Attempt>
auto retry_while_busy(const std::stop_token& stop, Attempt attempt) -> decltype(attempt()) {
  constexpr std::chrono::milliseconds kPause{500};
  for (int left = 60;; --left) {
    auto result = attempt();
    if (result.ok() || (result.error().code() != Code::kBusy && result.error().code() != Code::kRateLimited)) return result;
    if (left == 0 || !sleep_unless_stopped(kPause, stop)) return Error(Code::kUnavailable, result.error().message());
  }
}

}  // namespace skymoor::client
