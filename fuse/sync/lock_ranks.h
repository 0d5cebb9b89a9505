// Ranks of the sync room's locks; the whole order stands in fuse/LOCKS.md. None is held across a call to the store, the
// backing files or the server.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr LockRank kSyncThreadRank = 45000;     ///< what wakes the sync thread and who waits for it
inline constexpr LockRank kSyncConnectionRank = 45100;
inline constexpr LockRank kListingsRank = 45150;       ///< directories being listed
inline constexpr LockRank kUploadRoundRank = 45200;
inline constexpr LockRank kKnownBlocksRank = 45300;
inline constexpr LockRank kFlightsRank = 45400;        ///< downloads under way
inline constexpr LockRank kManifestCacheRank = 45500;
inline constexpr LockRank kIncomingRank = 45550;       ///< versions gathered beside their files
inline constexpr LockRank kPrefetchRank = 45600;
inline constexpr LockRank kDirectoryWalkRank = 45650;  ///< what is to be listed ahead
inline constexpr LockRank kProgressRank = 45700;
inline constexpr LockRank kThrottleRank = 45800;
inline constexpr LockRank kRestoreReportRank = 45850;

}  // namespace skymoor::client
