// POSIX access control lists as their xattrs carry them: inheritance, and agreement with the mode bits. The kernel
// checks access (FUSE_POSIX_ACL); keeping list and mode together is ours.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"

namespace skymoor::client {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

struct AclEntry {
  std::uint16_t tag = 0;
  std::uint16_t permissions = 0;
  std::uint32_t id = 0;
};
using Acl = std::vector<AclEntry>;

/// Errors: InvalidArgument unless it is a well-formed list, or empty. Source: linux/posix_acl_xattr.h, posix_acl_valid.
Result<Acl> decode_acl(ByteView value);
Bytes encode_acl(const Acl& acl);

/// `mode` with the permission bits that the list stands for.
std::uint32_t mode_with_acl(const Acl& acl, std::uint32_t mode);
/// Whether the list says nothing that mode bits cannot.
bool is_minimal(const Acl& acl);
/// The list after a chmod to `mode`.
void apply_mode(Acl& acl, std::uint32_t mode);

/// What a new inode gets from its directory's default list.
struct InheritedAcl {
  std::uint32_t mode = 0;
  std::optional<Bytes> access;
  std::optional<Bytes> standard;   ///< directories: their own default list
};
/// Source: man 5 acl, "Object creation and default ACLs".
Result<InheritedAcl> inherit_acl(ByteView default_acl, std::uint32_t mode, bool is_directory);

}  // namespace skymoor::client
