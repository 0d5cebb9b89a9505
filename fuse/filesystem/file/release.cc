#include "fuse/filesystem/engine.h"

namespace skymoor::client {

void Engine::release(HandleId id) {
  std::optional<Handle> handle;
  bool last_writer = false;
  {
    MutexLock lock(store_.mutex());
    handle = handles_.take(id);
    if (!handle) return;
    leave_mode(lock, *handle->inode, handle->write, handle->passthrough);
    last_writer = handle->passthrough && handle->write && handle->inode->unseen_writers == 0;
  }
  const std::shared_ptr<OpenInode>& inode = handle->inode;
  if (last_writer) end_unseen(inode, let_go_of_unseen(inode));
  bool orphan, used;
  {
    MutexLock lock(store_.mutex());
    orphan = inode->forgotten && inode->handles == 0;
    used = inode->file != nullptr && inode->handles == 0;
    leave(lock, inode);
  }
  if (used) backing_.touch(inode->id);
  if (orphan) forget(inode->id);
}

}  // namespace skymoor::client
