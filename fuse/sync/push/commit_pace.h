// How long changes are let gather before they are sent.
#pragma once
#include <chrono>

#include "shared/base/clock.h"

namespace skymoor::client {

/// A change that comes after a rest goes soon: somebody saved a file and opens it elsewhere. Changes that keep coming share
/// commits: each is a version that the server keeps. Not thread-safe.
class CommitPace {
 public:
  explicit CommitPace(std::chrono::milliseconds commit_delay) : delay_(commit_delay) {}

  /// Changes are sent when none has come for so long.
  std::chrono::nanoseconds quiet(Instant now) const { return rested(now) ? delay_ / kShareAfterRest : delay_; }
  /// No change waits longer than this for others.
  std::chrono::nanoseconds longest() const { return delay_ * kGatherFactor; }
  /// A commit of this device has gone to the server, whatever came of it.
  void sent(Instant now) { sent_ = now, sent_any_ = true; }

 private:
  static constexpr int kShareAfterRest = 5, kGatherFactor = 10;
  bool rested(Instant now) const { return !sent_any_ || now - sent_ >= longest(); }

  const std::chrono::nanoseconds delay_;
  Instant sent_{};
  bool sent_any_ = false;
};

}  // namespace skymoor::client
