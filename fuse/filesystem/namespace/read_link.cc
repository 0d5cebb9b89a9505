#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<std::string> Engine::read_link(Request& request, InodeId inode) {
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  if (row.attributes.type != FileType::kSymlink) return Error(Code::kInvalidArgument, "not a symbolic link");
  note_access(lock, inode);
  return std::move(row.target);
}

}  // namespace skymoor::client
