#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>

#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {
namespace {

constexpr int kKnownModes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};

Status allocate_on_disk(BackingFile& file, int mode, Extent extent) {
  for (;;) {
    if (::fallocate(file.fd(), mode, static_cast<off_t>(extent.begin), static_cast<off_t>(extent.length())) == 0)
      return {};
    if (errno != EINTR) return Error::from_errno(errno, "fallocate");
  }
}

/// A hole lengthens no file: where little of it is here, the backing file may end before what is zero from now on.
Status reach(File& file, std::uint64_t end) {
  return TRY(file.size()) < end ? file.truncate(end) : Status();
}

}  // namespace

Status Engine::allocate(Request& request, HandleId id, int mode, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return Error(Code::kInvalidArgument, "nothing to allocate");
  if (std::find(std::begin(kKnownModes), std::end(kKnownModes), mode) == std::end(kKnownModes))
    return Error(Code::kNotSupported, "this way of fallocate is not supported");
  if (offset > kMaxFileBytes || length > kMaxFileBytes - offset)
    return Error(Code::kFileTooLarge, "past the largest file");
  if ((mode & FALLOC_FL_PUNCH_HOLE) == 0) TRY(ask_room(request, length));
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    Handle* handle = TRY(handle_of(lock, id));
    if (!handle->write) return Error(Code::kBadHandle, "not open for writing");
    inode = handle->inode;
  }
  ContentChange change(*this, inode);
  TRY(change.begin(request));
  change.takes_privileges(request, request.uid == 0);
  TRY(disk_.fault("filesystem.allocate", {}));
  return allocate_in(request, change, mode, {offset, offset + length});
}

/// Zeroed ranges become valid whether they were here or not; reserved space changes nothing that can be read.
Status Engine::allocate_in(Request& request, ContentChange& change, int mode, Extent extent) {
  const bool zeroes = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  std::uint64_t end;
  {
    MutexLock lock(store_.mutex());
    end = std::min(TRY(row_of(lock, request, change.inode()->id)).attributes.size, extent.end);
  }
  Status done = allocate_on_disk(change.file(), mode, extent);
  if (!done.ok() && errno_of(done.error()) == EOPNOTSUPP && (mode & FALLOC_FL_ZERO_RANGE) != 0) {
    // Where ranges cannot be zeroed, a hole with space reserved for it is the same.
    TRY(allocate_on_disk(change.file(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, extent));
    done = allocate_on_disk(change.file(), mode & FALLOC_FL_KEEP_SIZE, extent);
  }
  if (done.ok() && zeroes) done = reach(change.file().file(), end);
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, change.inode()->id));
  const std::uint64_t old_size = row.attributes.size;
  if (!done.ok()) {
    if (zeroes) change.record_failure(lock, extent);
    return done;
  }
  std::uint64_t size = (mode & FALLOC_FL_KEEP_SIZE) != 0 ? old_size : std::max(old_size, extent.end);
  if (!zeroes) {
    return size == old_size ? Status() : change.record(lock, row, {size, size}, size);
  }
  extent.end = std::min(extent.end, size);
  extent.begin = std::min(extent.begin, extent.end);
  if (extent.begin == extent.end && size == old_size) return {};
  return change.record(lock, row, extent, size);
}

}  // namespace skymoor::client
