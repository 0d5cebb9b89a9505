#include "fuse/sync/throttle.h"

#include "fuse/sync/waiting.h"

namespace skymoor::client {

Status Throttle::take(std::uint64_t bytes, std::stop_token stop) {
  if (bytes_per_s_ == 0) return {};
  const auto span = std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(bytes_per_s_) * 1e9));
  CondVar never;
  NotifyOnStop wake(stop, mutex_, never);
  MutexLock lock(mutex_);
  const Instant start = std::max(due_, clock_.monotonic() - std::chrono::milliseconds(500));
  due_ = start + span;
  while (clock_.monotonic() < start) {
    if (stop.stop_requested()) return Error(Code::kCancelled, "stopped while waiting for bandwidth");
    wait_a_while(never, lock, clock_, start, stop);
  }
  return {};
}

}  // namespace skymoor::client
