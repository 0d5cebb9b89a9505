#include "fuse/filesystem/engine.h"

namespace skymoor::client {

namespace {

constexpr std::uint64_t kManyPages = 4u << 20;   // bytes; fewer are dropped in no time

}  // namespace

std::optional<InodeId> Engine::release(HandleId id) {
  std::optional<Handle> handle;
  bool last_writer = false, cached = false;
  {
    MutexLock lock(store_.mutex());
    handle = handles_.take(id);
    if (!handle) return std::nullopt;
    cached = handle->inode->mode == IoMode::kCached;
    leave_mode(lock, *handle->inode, handle->write, handle->passthrough);
    last_writer = handle->passthrough && handle->write && handle->inode->unseen_writers == 0;
    if (last_writer && handle->inode->vouching && thread_.joinable()) {
      lingering_[handle->inode->id] = handle->inode;   // its end waits for the disk: at the next tick
      last_writer = false;
    }
  }
  const std::shared_ptr<OpenInode>& inode = handle->inode;
  if (last_writer) end_unseen(inode);
  bool orphan, used, unused_pages = false;
  {
    MutexLock lock(store_.mutex());
    orphan = inode->forgotten && inode->handles == 0;
    if (cached && inode->handles == 0 && options_.passthrough)
      if (auto row = store_.inode(lock, inode->id); row.ok())
        unused_pages = row->attributes.size >= kManyPages && inode->view.wholly_valid(row->attributes.size);
    used = inode->file != nullptr && inode->handles == 0;
    leave(lock, inode);
  }
  if (used) backing_.touch(inode->id);
  if (orphan) forget(inode->id);
  return unused_pages ? std::optional(inode->id.load()) : std::nullopt;
}

}  // namespace skymoor::client
