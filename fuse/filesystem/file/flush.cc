#include "fuse/filesystem/engine.h"

namespace skymoor::client {

// close(2): reports what a sync could not, and takes in what was written past us.
Status Engine::flush(Request&, HandleId id) {
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    inode = TRY(handle_of(lock, id))->inode;
    if (inode->failed) return *inode->failed;
  }
  if (!inode->watched.load(std::memory_order_acquire)) return {};
  TRY(settle(inode));
  MutexLock lock(store_.mutex());
  return inode->failed ? Status(*inode->failed) : Status();
}

}  // namespace skymoor::client
