// Memory that runs out at a chosen allocation. A program that links failing_memory.cc has another operator new: not together
// with a sanitizer, which has its own.
#pragma once
#include <cstdint>

namespace skymoor::testing {

/// While it is alive, the `nth` allocation by operator new from its start (of all threads) finds no memory; with
/// `from_then_on` those after it find none either. As in the library's own, the new-handler may make room: then 16 MiB are
/// there again. One at a time.
class FailingMemory {
 public:
  explicit FailingMemory(std::uint64_t nth, bool from_then_on = false);
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
  bool fired() const;
};

/// The calling thread has memory while it is alive: for what a test has in place of other processes.
class OtherMemory {
 public:
  OtherMemory();
  ~OtherMemory();
};

}  // namespace skymoor::testing
