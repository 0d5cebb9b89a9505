#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<std::vector<std::string>> Engine::list_xattrs(Request& request, InodeId inode) {
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  if (!row.has_xattrs) return std::vector<std::string>();
  return store_.xattr_names(lock, inode);
}

}  // namespace skymoor::client
