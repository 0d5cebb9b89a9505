#include "fuse/filesystem/attributes/xattr_names.h"
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status Engine::remove_xattr(Request& request, InodeId inode, std::string_view name) {
  TRY(check_xattr_name(name));
  if (name == kStateXattr) return Error(Code::kNotPermitted, "this attribute tells the state and cannot be removed");
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  if (!TRY(xattr_of(lock, row, name))) return Error(Code::kNoAttribute, "no such attribute");
  return erase_xattr(lock, std::move(row), name);
}

Status Engine::erase_xattr(const MutexLock& lock, InodeRow row, std::string_view name) {
  std::string text(name);
  bool last = TRY(store_.xattr_names(lock, row.id)).size() <= 1;
  Change change = store_.begin(lock, row.links == 0 ? Intent(LocalIntent{}) : Intent(XattrIntent{row.id, text}));
  row.has_xattrs = !last;
  row.attributes.ctime = change.time();
  change.erase_xattr(row.id, std::move(text));
  change.put(std::move(row));
  return commit(lock, std::move(change));
}

}  // namespace skymoor::client
