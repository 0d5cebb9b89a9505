// Ranks of this room's mutexes; see backend-server/LOCKS.md.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::server {

inline constexpr LockRank kGroupWriterRank = 410;
inline constexpr LockRank kReadPoolRank = 420;

}  // namespace skymoor::server
