// Ranks of this room's locks. High: a committer that holds the services' locks may send an event.
#pragma once
#include "shared/base/mutex.h"

namespace skymoor::server {

inline constexpr LockRank kConnectionTableRank = 50500;
inline constexpr LockRank kStreamTableRank = 50510;
inline constexpr LockRank kEventStreamRank = 50600;  // its wake-up may take the executor's and Asio's own locks

}  // namespace skymoor::server
