// KeptBytes: room for what writes carry while they wait.
#pragma once
#include <atomic>
#include <memory>

#include "shared/base/bytes.h"
#include "shared/base/error.h"

namespace skymoor::client {

/// Role: bounds the memory of writes that wait: their bytes lie in the buffer of a thread that goes on to the next request.
/// Thread-safe. Ownership: outlives what it gave out. Failure: Unavailable beyond the bound.
class KeptBytes {
 public:
  static constexpr std::size_t kMaxBytes = 64u << 20;
  using Kept = std::shared_ptr<Bytes>;

  /// `size` bytes, taken until their last user lets go of them. Errors: Unavailable.
  Result<Kept> room_for(std::size_t size);
  std::size_t used_bytes() const { return used_.load(std::memory_order_relaxed); }

 private:
  // Own synchronisation.
  std::atomic<std::size_t> used_{0};
};

}  // namespace skymoor::client
