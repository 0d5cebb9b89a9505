// Connection: whether the server can be reached, since when, and why not.
#pragma once
#include <optional>
#include <string>

#include "fuse/sync/lock_ranks.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace skymoor::client {

/// Thread-safe. Learns from the outcome of every call; remembers what stopped the engine for good.
///   unknown -> online <-> offline;   any -> stopped (a person must decide)
class Connection {
 public:
  explicit Connection(Clock& clock) : clock_(clock) {}

  /// Notes how a call to the server ended: an answer of any kind means that it can be reached. A call that had less than a
  /// second (what was left of its caller's deadline) and got none says nothing.
  void note(const Status& outcome, std::chrono::milliseconds patience = std::chrono::milliseconds(30000));
  void stop_for_good(std::string reason);

  /// Offline at once when the last attempt failed less than a second ago, or what stopped the engine.
  Status ready();
  bool online();
  bool stopped();
  struct View {
    bool online = false, stopped = false;
    std::optional<Timestamp> since;
    std::string reason;
    std::optional<Instant> answered;   ///< when a call was last answered, whatever with
  };
  View view();
  /// How many failures there have been: a waiter tells from it that an attempt made after it came has failed.
  std::uint64_t failures();
  Error last_failure();

 private:
  Clock& clock_;
  // Guarded by mutex_.
  Mutex mutex_{kSyncConnectionRank, "sync.connection"};
  View view_ GUARDED_BY(mutex_);
  std::optional<Instant> failed_at_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::uint64_t failures_ GUARDED_BY(mutex_) = 0;
};

/// Whether an error says that the server was not reached (and the request may or may not have arrived).
bool unreachable(const Error& error);

}  // namespace skymoor::client
