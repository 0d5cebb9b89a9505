// Throttle: a limit on bytes per second, shared by all transfers of one direction.
#pragma once
#include <stop_token>

#include "fuse/sync/lock_ranks.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace skymoor::client {

/// Thread-safe. Each taker books its bytes behind those booked before, and waits until they are due; what was not used
/// is saved up for half a second at most.
class Throttle {
 public:
  /// `bytes_per_s` 0: no limit.
  Throttle(Clock& clock, std::uint64_t bytes_per_s) : clock_(clock), bytes_per_s_(bytes_per_s) {}
  /// Blocks: until the bytes may travel. Errors: Cancelled.
  Status take(std::uint64_t bytes, std::stop_token stop);

 private:
  // Constant after construction.
  Clock& clock_;
  const std::uint64_t bytes_per_s_;
  // Guarded by mutex_.
  Mutex mutex_{kThrottleRank, "sync.throttle"};
  Instant due_ GUARDED_BY(mutex_){};
};

}  // namespace skymoor::client
