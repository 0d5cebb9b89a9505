// Ranks of the journal's locks; the whole order stands in fuse/LOCKS.md.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr LockRank kCheckpointRank = 29900;  ///< one checkpoint, feed entry, listing or rebase at a time
inline constexpr LockRank kNamespaceRank = 30000;   ///< MetadataStore::mutex()
inline constexpr LockRank kWriterRank = 30100;      ///< the connection that writes metadata.db
inline constexpr LockRank kLogSegmentsRank = 30200; ///< list of log segments
inline constexpr LockRank kLogSyncRank = 30300;     ///< who is in fdatasync, and up to where it went well
inline constexpr LockRank kStatusRank = 30400;      ///< what position() and pending() answer
inline constexpr LockRank kHousekeeperRank = 30500; ///< wakes the housekeeping threads
inline constexpr LockRank kBytesFirstRank = 30600;  ///< backing files that the log waits for

}  // namespace skymoor::client
