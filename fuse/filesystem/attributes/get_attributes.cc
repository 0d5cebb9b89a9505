#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Node> Engine::get_attributes(Request& request, InodeId inode) {
  std::shared_ptr<OpenInode> watched;
  {
    MutexLock lock(store_.mutex());
    auto it = open_.find(inode);
    if (it != open_.end() && it->second->watched.load(std::memory_order_acquire)) watched = it->second;
    if (!watched) return node_of(lock, TRY(row_of(lock, request, inode)));
  }
  // Size and time of a file that the kernel writes itself stand in the backing file. They are recorded before they are
  // shown, so that what was shown stays true.
  TRY(settle(watched));
  MutexLock lock(store_.mutex());
  return node_of(lock, TRY(row_of(lock, request, inode)));
}

}  // namespace skymoor::client
