#include "fuse/filesystem/attributes/privileges.h"

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kCapability = "security.capability";

}  // namespace

std::uint32_t mode_without_privileges(std::uint32_t mode) {
  mode &= ~04000u;
  if ((mode & 010) != 0) mode &= ~02000u;
  return mode;
}

/// Intent and fields for a record that changes attributes only; nobody else is told of an inode without a name.
Change Engine::begin_attributes(const MutexLock& lock, const InodeRow& row, unsigned fields) {
  if (row.links == 0) return store_.begin(lock, LocalIntent{});
  return store_.begin(lock, AttributeIntent{row.id, static_cast<std::uint8_t>(fields)});
}

Result<bool> Engine::kill_privileges(const MutexLock& lock, InodeRow& row, bool may_keep_ids) {
  if (row.attributes.type != FileType::kFile) return false;
  std::uint32_t mode = may_keep_ids ? row.attributes.mode : mode_without_privileges(row.attributes.mode);
  const bool had_ids = mode != row.attributes.mode;
  if (had_ids) {
    Change change = begin_attributes(lock, row, kFieldMode | kFieldCtime);
    InodeRow after = row;
    after.attributes.mode = mode;
    after.attributes.ctime = change.time();
    change.put(after);
    TRY(commit(lock, std::move(change)));
    row = std::move(after);
  }
  if (!TRY(has_capabilities(lock, row))) return had_ids;
  TRY(erase_xattr(lock, row, kCapability));
  row = TRY(store_.inode(lock, row.id));
  return true;
}

Status Engine::kill_privileges(const MutexLock& lock, Request& request, InodeRow& row, bool may_keep_ids) {
  if (TRY(kill_privileges(lock, row, may_keep_ids))) request.stale = row.id;
  return {};
}

Result<bool> Engine::has_capabilities(const MutexLock& lock, const InodeRow& row) {
  return row.has_xattrs && TRY(xattr_of(lock, row, kCapability)).has_value();
}

}  // namespace skymoor::client
