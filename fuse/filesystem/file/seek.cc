#include <unistd.h>

#include <algorithm>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {

/// What lies at `at`: data or a hole, and up to where. Bytes that are here are asked of the backing file, others of the
/// manifest; without a manifest they count as data.
Engine::Segment Engine::segment_at(const OpenInode& inode, const Manifest* manifest, std::uint64_t at,
                                   std::uint64_t size) {
  std::vector<Extent> here = inode.view.valid_set().present({at, size});
  if (!here.empty() && here.front().begin == at) {
    if (!inode.file) return {true, here.front().end};
    off_t data = ::lseek(inode.file->fd(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0) return {errno != ENXIO, here.front().end};
    if (static_cast<std::uint64_t>(data) > at) return {false, std::min<std::uint64_t>(here.front().end, data)};
    off_t hole = ::lseek(inode.file->fd(), static_cast<off_t>(at), SEEK_HOLE);
    return {true, hole < 0 ? here.front().end : std::min<std::uint64_t>(here.front().end, hole)};
  }
  std::uint64_t end = here.empty() ? size : here.front().begin, begin = 0;
  if (!manifest) return {true, end};
  for (const Chunk& chunk : manifest->chunks) {
    if (at < begin + chunk.length) return {!chunk.is_hole(), std::min(end, begin + chunk.length)};
    begin += chunk.length;
  }
  return {true, end};
}

bool Engine::kernel_may_hold_writes(HandleId id) {
  MutexLock lock(store_.mutex());
  const Handle* handle = handles_.find(id);
  return handle && handle->inode->cached_writers != 0;
}

Result<std::uint64_t> Engine::seek(Request& request, HandleId id, std::uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Error(Code::kInvalidArgument, "only SEEK_DATA and SEEK_HOLE");
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    inode = TRY(handle_of(lock, id))->inode;
  }
  if (inode->watched.load(std::memory_order_acquire)) TRY(settle(inode));
  (void)backing_of(inode, false);
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode->id));
  const std::uint64_t size = row.attributes.size;
  if (offset >= size) return Error(Code::kNoDevice, "past the end of the file");
  TRY(reload_view(lock, *inode, row));
  std::optional<Manifest> manifest;
  if (!inode->view.wholly_valid(size)) {
    auto decoded = decode_manifest(TRY(store_.content(lock, inode->id)).manifest);
    if (decoded.ok()) manifest = std::move(decoded).value();
  }
  for (std::uint64_t at = offset; at < size;) {
    Segment segment = segment_at(*inode, manifest ? &*manifest : nullptr, at, size);
    if (segment.data == (whence == SEEK_DATA)) return at;
    at = std::max(segment.end, at + 1);
  }
  if (whence == SEEK_HOLE) return size;
  return Error(Code::kNoDevice, "no data behind this offset");
}

}  // namespace skymoor::client
