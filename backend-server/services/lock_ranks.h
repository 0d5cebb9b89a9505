// Ranks of this room's mutexes; see backend-server/LOCKS.md.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::server {

inline constexpr LockRank kRegistrationsRank = 110;
inline constexpr LockRank kLoginsRank = 120;
inline constexpr LockRank kSubscriptionsRank = 130;
inline constexpr LockRank kSubscriptionRank = 140;
inline constexpr LockRank kVerifiedTokensRank = 150;

}  // namespace skymoor::server
