// ReadTurn: which of the request threads reads next.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "shared/base/mutex.h"

namespace skymoor::client {

/// Two threads that sleep in a read are woken in turns, each from the CPU where it last ran, and waking takes longer than
/// most requests do. So one thread reads, works and reads on for as long as requests are quick ones, and none is woken
/// beside it. Before a request that may take long it leaves the turn to the next thread. A request that was taken for a
/// quick one and is not holds up the others until `look_after` finds it.
///
///   idle --wait--> reading --got (quick)--> working, turn kept --wait--> reading
///                          --got (long)---> working, turn given --wait--> waits for its turn
///
/// Thread-safe; a thread serves one of these. Owned by the channel. Failure: none.
class ReadTurn {
 public:
  ReadTurn();
  /// Before each read: blocks until it is the calling thread's turn.
  void wait();
  /// After the read: what came, in the kernel's form.
  void got(const void* request, ssize_t size);
  /// Gives the turn of a thread that has worked on one request for `kTooLong` to another. To be called regularly.
  void look_after();
  /// From now on nobody waits.
  void stop();

  static constexpr std::chrono::milliseconds kTooLong{20};
  /// Whether the request is likely to be answered within microseconds.
  static bool is_quick(const void* request, std::size_t size);

 private:
  using Ticks = std::int64_t;   // nanoseconds of the steady clock
  static Ticks now();
  void give();

  // Own synchronisation.
  std::atomic<Ticks> working_since_{0};   // the holder, on a quick request; 0: it reads, or has given the turn
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar free_;
  bool taken_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace skymoor::client
