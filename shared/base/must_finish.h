// Lack of memory: what is begun and has to be finished finds some, and no exception leaves a task or a thread.
#pragma once
#include <exception>
#include <new>
#include <type_traits>

#include "shared/base/error.h"

namespace skymoor {

/// Where one of these is alive, a thread goes on from something that stands (a record in the log, a committed
/// transaction) to what has to follow it, and an exception would leave half of both. When memory runs out there, 16 MiB that
/// the process keeps back are let go of, once. They are address space: nothing touches them. Thread-safe.
class MustFinish {
 public:
  /// Keeps memory back, if it does not yet. Before anything is done that has to be followed. Errors: OutOfMemory.
  static Status ready();
  MustFinish() noexcept;
  ~MustFinish();
  MustFinish(const MustFinish&) = delete;
  MustFinish& operator=(const MustFinish&) = delete;
};

/// The error that stands for an exception; allocates nothing for a lack of memory.
Error error_of(const std::exception& exception) noexcept;

/// An answer takes a few bytes: where even what is kept back has gone, others are given time to let go of some.
void wait_for_memory() noexcept;

/// Runs what answers a Status or Result; what it throws becomes its error. For tasks that somebody waits for, and for the
/// rounds of threads: a room's edge.
template <typename Call>
auto contained(Call&& call) noexcept -> std::invoke_result_t<Call> {
  try {
    return call();
  } catch (const std::exception& e) {
    const MustFinish finishing;
    for (;; wait_for_memory()) {
      try {
        return error_of(e);
      } catch (const std::bad_alloc&) {
      }
    }
  }
}

}  // namespace skymoor
