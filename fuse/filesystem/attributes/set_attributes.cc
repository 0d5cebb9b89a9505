// chmod, chown, utimensat, truncate: FUSE sends them as one request.
#include "fuse/filesystem/attributes/posix_acl.h"
#include "fuse/filesystem/attributes/privileges.h"
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

bool beyond_size(const SetAttributesRequest& wanted) {
  return wanted.mode || wanted.uid || wanted.gid || wanted.atime || wanted.mtime || wanted.atime_now ||
         wanted.mtime_now || wanted.ctime;
}

Status check_truncate(const InodeRow& row) {
  if (row.attributes.type == FileType::kFile) return {};
  if (row.attributes.type == FileType::kDirectory) return Error(Code::kIsDirectory, "a directory");
  return Error(Code::kInvalidArgument, "not a file with content");
}

}  // namespace

Result<Node> Engine::set_attributes(Request& request, InodeId id, const SetAttributesRequest& wanted) {
  std::optional<InodePin> pin;
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, id));
    if (wanted.size) TRY(check_truncate(row));
    auto it = open_.find(id);
    if (wanted.size || (it != open_.end() && it->second->watched.load(std::memory_order_acquire)))
      pin.emplace(*this, lock, id);
  }
  const bool watched = pin && pin->get()->watched.load(std::memory_order_acquire);
  if (watched) TRY(settle(pin->get()));
  if (wanted.size) {
    if (*wanted.size > 0) TRY(ask_room(request, 0));
    TRY(truncate(request, pin->get(), *wanted.size, wanted.kill_suid_sgid || request.uid != 0));
  }
  std::optional<Timestamp> new_mtime;
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, id));
    if (!wanted.size || beyond_size(wanted)) TRY(change_attributes(lock, request, row, wanted));
    if (watched && (wanted.mtime || wanted.mtime_now)) new_mtime = row.attributes.mtime;
    if (!new_mtime) return node_of(lock, row);
  }
  TRY(restamp(pin->get(), *new_mtime));
  MutexLock lock(store_.mutex());
  return node_of(lock, TRY(row_of(lock, request, id)));
}

/// All but the size. The change time moves even when nothing else does (chown to -1, -1).
Status Engine::change_attributes(const MutexLock& lock, Request&, InodeRow& row, const SetAttributesRequest& wanted) {
  Attributes after = row.attributes;
  unsigned fields = kFieldCtime;
  const bool owner = wanted.uid || wanted.gid;
  if (!options_.owners_mine) {
    if (wanted.uid) after.uid = *wanted.uid, fields |= kFieldUid;
    if (wanted.gid) after.gid = *wanted.gid, fields |= kFieldGid;
  }
  if (wanted.mode) after.mode = *wanted.mode & 07777;
  else if ((owner || wanted.kill_suid_sgid) && after.type != FileType::kDirectory)
    after.mode = mode_without_privileges(after.mode);
  if (wanted.mode || after.mode != row.attributes.mode) fields |= kFieldMode;
  if (wanted.atime || wanted.atime_now) fields |= kFieldAtime;
  if (wanted.mtime || wanted.mtime_now) fields |= kFieldMtime;

  Change change = begin_attributes(lock, row, fields);
  if (wanted.atime || wanted.atime_now) after.atime = wanted.atime_now ? change.time() : *wanted.atime;
  if (wanted.mtime || wanted.mtime_now) after.mtime = wanted.mtime_now ? change.time() : *wanted.mtime;
  after.ctime = wanted.ctime.value_or(change.time());
  row.attributes = after;
  row.changed = change.lsn();
  if (wanted.mode) TRY(put_acl_for_mode(lock, change, row, after.mode));
  // The file's capabilities; the bits went above.
  if (owner || wanted.kill_suid_sgid) TRY(take_privileges(lock, change, row, true));
  change.put(row);
  return commit(lock, std::move(change));
}

Status Engine::put_acl_for_mode(const MutexLock& lock, Change& change, const InodeRow& row, std::uint32_t mode) {
  auto value = TRY(xattr_of(lock, row, kAccessAclName));
  if (!value) return {};
  Acl acl = TRY(decode_acl(*value));
  apply_mode(acl, mode);
  change.put_xattr(row.id, std::string(kAccessAclName), encode_acl(acl));
  return {};
}

}  // namespace skymoor::client
