// make_room: clean files go so that something else fits.
#pragma once
#include <functional>

#include "fuse/cache/backing_store.h"

namespace skymoor::client {

/// Frees what was removed and still lies on the disk (`reap`), then lets clean files go, oldest first, until `bytes` fit beside
/// `reserve_bytes` or nothing is left that may go. Returns the disk's free bytes. Never called under the metadata store's mutex.
/// Errors: those of the backing store.
Result<std::uint64_t> make_room(BackingStore& backing, EvictionJudge& judge, const std::function<void()>& reap,
                                std::uint64_t reserve_bytes, std::uint64_t bytes);

}  // namespace skymoor::client
