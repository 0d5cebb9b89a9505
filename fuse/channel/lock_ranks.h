// Ranks of the channel's locks; the whole order stands in fuse/LOCKS.md.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr LockRank kChannelThreadsRank = 100;
inline constexpr LockRank kPassthroughRank = 50100;
inline constexpr LockRank kUnansweredRank = 50000;
inline constexpr LockRank kInvalidatorRank = 50200;
inline constexpr LockRank kWaitingCallsRank = 50300;
inline constexpr LockRank kLateReadsRank = 50400;

}  // namespace skymoor::client
