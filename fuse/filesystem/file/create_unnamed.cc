#include "fuse/filesystem/engine.h"

namespace skymoor::client {

// The inode is an orphan from the start: local, and gone after a crash. `link` gives it its first name.
Result<Filesystem::Created> Engine::create_unnamed(Request& request, InodeId parent, std::uint32_t mode,
                                                   OpenFlags flags) {
  TRY(ask_room(request, 0));
  Created created;
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    if (handles_.size() >= options_.max_handles) return Error(Code::kTooManyOpenFiles, "too many open files");
    InodeRow row = TRY(add_inode(lock, request, {.parent = parent, .name = {}, .mode = mode}));
    created.node = node_of(lock, row);
    inode = enter(lock, row.id);
    inode->unnamed = !flags.exclusive;   // O_EXCL: may never be linked (man 2 open)
  }
  created.opened = TRY(finish_open(request, std::move(inode), flags));
  return created;
}

}  // namespace skymoor::client
