#include "fuse/filesystem/attributes/xattr_names.h"
#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Status check_xattr_name(std::string_view name) {
  if (name.size() > kMaxXattrNameBytes) return Error(Code::kRangeTooSmall, "attribute name longer than 255 bytes");
  for (std::string_view space : {"user.", "trusted.", "security."})
    if (name.starts_with(space)) {
      if (name.size() == space.size()) return Error(Code::kInvalidArgument, "attribute name is empty");
      return {};
    }
  if (name == "system.posix_acl_access" || name == "system.posix_acl_default") return {};
  return Error(Code::kNotSupported, "no such namespace of attributes");
}

Result<Bytes> Engine::get_xattr(Request& request, InodeId inode, std::string_view name) {
  TRY(check_xattr_name(name));
  if (name == kStateXattr) {
    {
      MutexLock lock(store_.mutex());
      TRY(row_of(lock, request, inode));
    }
    return to_bytes(fetcher_.state_of(inode));
  }
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  auto value = TRY(xattr_of(lock, row, name));
  if (!value) return Error(Code::kNoAttribute, "no such attribute");
  return std::move(*value);
}

}  // namespace skymoor::client
