// UnseenStamp: how a backing file looked when we last knew what was in it.
#pragma once
#include "fuse/cache/backing_store.h"
#include "shared/base/clock.h"

namespace skymoor::client {

/// The kernel moves the modification time with each write that it makes without us (passthrough, mapped pages). We give
/// the backing file a time of our choice: whatever differs from it was written since.
struct UnseenStamp {
  Timestamp mtime{};
  std::uint64_t size = 0;
};

/// What the file looks like now. Errors: Io.
Result<UnseenStamp> look_at(BackingFile& file);
/// Gives the file the time `mtime`, notes it with the size the file then has, and returns that size. What was written
/// before this call can no longer be told by the stamp: the caller records the whole file as changed *after* it.
Result<std::uint64_t> stamp_unseen(BackingFile& file, UnseenStamp& stamp, Timestamp mtime);
/// Whether the file was written since `stamp` was made.
inline bool written_since(const UnseenStamp& stamp, const UnseenStamp& now) {
  return stamp.mtime != now.mtime || stamp.size != now.size;
}

}  // namespace skymoor::client
