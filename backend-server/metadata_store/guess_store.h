// GuessStore: the key service's durable counters, in a file of their own, apart from the metadata database.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::server {

struct Guess {
  Hash256 account;          ///< hash of the user name; zeros: counts for the network only
  std::string network;      ///< "192.0.2.0/24"
  Timestamp time{};
};

/// What was counted before, oldest first. Times ahead of now (the clock went back) have become now.
struct GuessHistory {
  std::vector<Timestamp> account;   ///< of the last day
  std::vector<Timestamp> network;   ///< of the last hour
};

/// Thread-safe. Failure: a guess that cannot be counted durably is an error, so that nobody guesses for free.
class GuessStore {
 public:
  virtual ~GuessStore() = default;
  /// Counts the guess if `judge` is content with the history; returns its number.
  /// Durability: on return the count survives power loss. Errors: judge's own; RateLimited (the store is full), Busy, Io.
  virtual Result<std::int64_t> add(const Guess& guess, const std::function<Status(const GuessHistory&)>& judge) = 0;
  /// Takes back the guess and those of the same account from the same network: its owner has proved to be there.
  virtual Status forgive(std::int64_t guess) = 0;
};

/// Errors: Corrupt, Io, NoSpace.
Result<std::unique_ptr<GuessStore>> open_sqlite_guess_store(const std::string& file);

}  // namespace skymoor::server
