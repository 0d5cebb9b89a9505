// Ranks of app's locks; the whole order stands in fuse/LOCKS.md. All are held for copies only.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr LockRank kPinFanoutRank = 44900;   ///< held while the keeper of pins is told, which takes its own lock only
inline constexpr LockRank kFetcherRank = 51000;
inline constexpr LockRank kFanoutRank = 51100;
inline constexpr LockRank kNotifierRank = 51200;

}  // namespace skymoor::client
