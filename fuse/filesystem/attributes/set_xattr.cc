#include <sys/xattr.h>

#include "fuse/filesystem/attributes/posix_acl.h"
#include "fuse/filesystem/attributes/xattr_names.h"
#include "fuse/filesystem/engine.h"
#include "shared/model/xattr_limits.h"

namespace skymoor::client {

Status Engine::set_xattr(Request& request, InodeId inode, std::string_view name, ByteView value, int flags,
                         bool kill_sgid) {
  TRY(check_xattr_name(name));
  if (name == kStateXattr) return Error(Code::kNotPermitted, "this attribute tells the state and cannot be set");
  if (value.size() > kMaxXattrValueBytes) return Error(Code::kAttributeTooLarge, "attribute larger than 64 KiB");
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return Error(Code::kInvalidArgument, "unknown flags");
  TRY(ask_room(request, value.size()));
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, inode));
  if (flags != 0) {
    bool there = TRY(xattr_of(lock, row, name)).has_value();
    if (there && (flags & XATTR_CREATE) != 0) return Error(Code::kAlreadyExists, "the attribute exists");
    if (!there && (flags & XATTR_REPLACE) != 0) return Error(Code::kNoAttribute, "no such attribute");
  }
  if (name == kAccessAclName || name == kDefaultAclName)
    return set_acl(lock, std::move(row), name, value, kill_sgid);
  TRY(check_xattr_room(lock, row, name, value.size()));
  return put_xattr(lock, std::move(row), name, value);
}

Status Engine::check_xattr_room(const MutexLock& lock, const InodeRow& row, std::string_view name, std::size_t size) {
  if (!row.has_xattrs) return {};
  const auto names = TRY(store_.xattr_names(lock, row.id));
  const bool replaces = std::find(names.begin(), names.end(), name) != names.end();
  if (!replaces && names.size() >= kMaxXattrs) return Error(Code::kNoSpace, "a file can have no more attributes");
  if (size <= kSmallXattrBytes) return {};
  for (const std::string& other : names)
    if (other != name) size += TRY(store_.xattr(lock, row.id, other)).size();
  return size <= kMaxXattrsBytes ? Status() : Error(Code::kNoSpace, "the file's attributes are too large together");
}

Status Engine::put_xattr(const MutexLock& lock, InodeRow row, std::string_view name, ByteView value) {
  std::string text(name);
  Change change = store_.begin(lock, row.links == 0 ? Intent(LocalIntent{}) : Intent(XattrIntent{row.id, text}));
  row.has_xattrs = true;
  row.attributes.ctime = change.time();
  change.put_xattr(row.id, std::move(text), to_bytes(value));
  change.put(std::move(row));
  return commit(lock, std::move(change));
}

/// An access list also sets the mode; one that says no more than the mode is not kept. Source: man 5 acl.
Status Engine::set_acl(const MutexLock& lock, InodeRow row, std::string_view name, ByteView value, bool kill_sgid) {
  const bool access = name == kAccessAclName;
  if (row.attributes.type == FileType::kSymlink) return Error(Code::kNotSupported, "symbolic links have no lists");
  Acl acl = TRY(decode_acl(value));
  if (!access && row.attributes.type != FileType::kDirectory && !acl.empty())
    return Error(Code::kPermissionDenied, "only directories have default lists");
  const std::uint32_t before = row.attributes.mode;
  if (access && !acl.empty()) {
    row.attributes.mode = mode_with_acl(acl, before);
    if (kill_sgid) row.attributes.mode &= ~02000u;
  }
  // The record about the list carries the mode.
  if (!acl.empty() && (!access || !is_minimal(acl))) return put_xattr(lock, std::move(row), name, value);
  if (TRY(xattr_of(lock, row, name))) return erase_xattr(lock, std::move(row), name);
  if (row.attributes.mode == before) return {};
  Change change = begin_attributes(lock, row, kFieldMode | kFieldCtime);
  row.attributes.ctime = change.time();
  change.put(std::move(row));
  return commit(lock, std::move(change));
}

}  // namespace skymoor::client
