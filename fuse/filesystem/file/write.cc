#include <algorithm>

#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {

Result<std::size_t> Engine::write(Request& request, HandleId id, std::uint64_t offset, std::size_t size,
                                  const WriteSource& source) {
  if (size == 0) return std::size_t{0};
  if (offset >= kMaxFileBytes) return Error(Code::kFileTooLarge, "past the largest file");
  size = std::min<std::uint64_t>(size, kMaxFileBytes - offset);
  TRY(ask_room(request, size));
  std::shared_ptr<OpenInode> inode;
  bool append, sync;
  {
    MutexLock lock(store_.mutex());
    Handle* handle = TRY(handle_of(lock, id));
    if (!handle->write) return Error(Code::kBadHandle, "not open for writing");
    inode = handle->inode;
    // The kernel has held its place in the file since the first time: the same bytes may be there already.
    append = handle->append && !request.comes_again() && !request.of_pages;
    sync = handle->sync;
  }
  std::size_t written = TRY(write_bytes(request, inode, append ? std::nullopt : std::optional(offset), size, source));
  if (sync && !options_.fsync_remote) TRY(sync_inode(inode, false, request.stop));
  return written;
}

/// Without an offset: at the end of the file.
Result<std::size_t> Engine::write_bytes(Request& request, const std::shared_ptr<OpenInode>& inode,
                                        std::optional<std::uint64_t> offset, std::size_t size,
                                        const WriteSource& source) {
  ContentChange change(*this, inode);
  TRY(change.begin(request));
  if (options_.log_small_syncs) change.plain_write();
  change.takes_privileges(request, request.uid == 0);
  if (!offset) {
    MutexLock lock(store_.mutex());
    offset = TRY(row_of(lock, request, inode->id)).attributes.size;
    if (*offset >= kMaxFileBytes) return Error(Code::kFileTooLarge, "past the largest file");
  }
  TRY(disk_.fault("filesystem.write", {}));
  auto moved = source(change.file().fd(), *offset);
  Extent touched{*offset, *offset + (moved.ok() ? *moved : size)};
  MutexLock lock(store_.mutex());
  if (!moved.ok()) {
    change.record_failure(lock, touched);
    return std::move(moved).error();
  }
  if (*moved == 0) return std::size_t{0};
  InodeRow row = TRY(row_of(lock, request, inode->id));
  TRY(change.record(lock, row, touched, std::max(row.attributes.size, touched.end)));
  return *moved;
}

}  // namespace skymoor::client
