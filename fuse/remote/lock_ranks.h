// Ranks of the remote room's locks; the whole order stands in fuse/LOCKS.md. None is held across a call to the server.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr LockRank kRemoteSessionRank = 52000;
inline constexpr LockRank kSubscriptionRank = 52100;
inline constexpr LockRank kEventLoopRank = 52200;
inline constexpr LockRank kTransferRank = 52300;

}  // namespace skymoor::client
