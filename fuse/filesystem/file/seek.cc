#include <unistd.h>

#include <algorithm>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

/// Goes through a file from one place on, once. Bytes that are here are asked of the backing file, others of the manifest; without
/// a manifest they count as data.
class SegmentWalk {
 public:
  struct Segment {
    bool data = false;
    std::uint64_t end = 0;
  };
  SegmentWalk(std::vector<Extent> here, const BackingFile* file, std::optional<Manifest> manifest, std::uint64_t size)
      : here_(std::move(here)), file_(file), manifest_(std::move(manifest)), size_(size) {}
  /// What lies at `at`, which is no less than the time before.
  Segment at(std::uint64_t at) {
    while (extent_ < here_.size() && here_[extent_].end <= at) ++extent_;
    const bool more = extent_ < here_.size();
    if (more && here_[extent_].begin <= at) return on_disk(at, here_[extent_].end);
    const std::uint64_t end = more ? here_[extent_].begin : size_;
    if (!manifest_) return {true, end};
    const std::vector<Chunk>& chunks = manifest_->chunks;
    while (chunk_ < chunks.size() && chunk_begin_ + chunks[chunk_].length <= at) chunk_begin_ += chunks[chunk_++].length;
    if (chunk_ == chunks.size()) return {true, end};
    return {!chunks[chunk_].is_hole(), std::min(end, chunk_begin_ + chunks[chunk_].length)};
  }

 private:
  Segment on_disk(std::uint64_t at, std::uint64_t end) const {
    if (!file_) return {true, end};
    const off_t data = ::lseek(file_->fd(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0) return {errno != ENXIO, end};
    if (static_cast<std::uint64_t>(data) > at) return {false, std::min<std::uint64_t>(end, data)};
    const off_t hole = ::lseek(file_->fd(), static_cast<off_t>(at), SEEK_HOLE);
    return {true, hole < 0 ? end : std::min<std::uint64_t>(end, hole)};
  }

  const std::vector<Extent> here_;
  const BackingFile* const file_;
  const std::optional<Manifest> manifest_;
  const std::uint64_t size_;
  std::size_t extent_ = 0, chunk_ = 0;
  std::uint64_t chunk_begin_ = 0;
};

}  // namespace

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
  std::uint64_t size;
  std::vector<Extent> here;
  std::shared_ptr<BackingFile> file;
  Bytes listed;
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, inode->id));
    size = row.attributes.size;
    if (offset >= size) return Error(Code::kNoDevice, "past the end of the file");
    TRY(reload_view(lock, *inode, row));
    here = inode->view.valid_set().present({offset, size});
    file = inode->file;
    if (!inode->view.wholly_valid(size)) listed = TRY(store_.content(lock, inode->id)).manifest;
  }
  // Without the lock: a large file has a hundred thousand blocks.
  std::optional<Manifest> manifest;
  if (auto decoded = decode_manifest(listed); !listed.empty() && decoded.ok()) manifest = std::move(decoded).value();
  SegmentWalk walk(std::move(here), file.get(), std::move(manifest), size);
  for (std::uint64_t at = offset; at < size;) {
    const SegmentWalk::Segment segment = walk.at(at);
    if (segment.data == (whence == SEEK_DATA)) return at;
    at = std::max(segment.end, at + 1);
  }
  if (whence == SEEK_HOLE) return size;
  return Error(Code::kNoDevice, "no data behind this offset");
}

}  // namespace skymoor::client
