#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<Filesystem::Created> Engine::create(Request& request, InodeId parent, std::string_view name, std::uint32_t mode,
                                           OpenFlags flags) {
  TRY(ask_room(request, 0));
  Created created;
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    if (handles_.size() >= options_.max_handles) return Error(Code::kTooManyOpenFiles, "too many open files");
    auto made = add_inode(lock, request, {.parent = parent, .name = name, .mode = mode});
    if (made.ok()) {
      created.node = node_of(lock, *made);
      inode = enter(lock, made->id);
    } else if (made.error().code() != Code::kAlreadyExists || flags.exclusive) {
      return std::move(made).error();
    }
  }
  if (inode) {
    created.opened = TRY(finish_open(request, std::move(inode), flags));
    return created;
  }
  // Somebody else made it first: without O_EXCL that is an open like any other.
  created.node = TRY(lookup(request, parent, name));
  created.opened = TRY(open(request, created.node.id, flags));
  created.node = TRY(get_attributes(request, created.node.id));
  return created;
}

}  // namespace skymoor::client
