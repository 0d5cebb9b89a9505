// UnseenStamp: how a backing file looked when we last knew what was in it.
#pragma once
#include "fuse/cache/backing_store.h"
#include "shared/base/clock.h"

namespace skymoor::client {

/// The kernel moves the modification time with each write that it makes without us (passthrough, mapped pages). We give
/// the backing file a time of our choice: whatever differs from it was written since. Of a mapped page it moves with the first
/// store only, until the page is written to the disk and protected anew: after a stamp, stores to a page that was written to
/// before leave no sign. `protect_pages` ends that.
struct UnseenStamp {
  Timestamp mtime{};
  std::uint64_t size = 0;
};

/// What the file looks like now. Errors: Io.
Result<UnseenStamp> look_at(BackingFile& file);
/// Gives the file the time `mtime`, notes it with the size the file then has, and returns that size. What was written
/// before this call can no longer be told by the stamp: the caller records the whole file as changed *after* it.
Result<std::uint64_t> stamp_unseen(BackingFile& file, UnseenStamp& stamp, Timestamp mtime);
/// Begins to write what is dirty to the disk: the next store to each page leaves a sign again. A record after this and after
/// the stamp has all that was stored without one. Blocks: on pages that are being written. Errors: Io.
Status protect_pages(BackingFile& file);
/// Whether the file was written since `stamp` was made.
inline bool written_since(const UnseenStamp& stamp, const UnseenStamp& now) {
  return stamp.mtime != now.mtime || stamp.size != now.size;
}

}  // namespace skymoor::client
