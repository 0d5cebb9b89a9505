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

Result<bool> Engine::take_privileges(const MutexLock& lock, Change& change, InodeRow& row, bool may_keep_ids) {
  if (row.attributes.type != FileType::kFile) return false;
  const std::uint32_t mode = may_keep_ids ? row.attributes.mode : mode_without_privileges(row.attributes.mode);
  const bool capabilities = row.has_xattrs && TRY(xattr_of(lock, row, kCapability)).has_value();
  const bool any = capabilities || mode != row.attributes.mode;
  row.attributes.mode = mode;
  if (capabilities) change.erase_xattr(row.id, std::string(kCapability));
  return any;
}

}  // namespace skymoor::client
