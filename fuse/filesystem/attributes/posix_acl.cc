#include "fuse/filesystem/attributes/posix_acl.h"

namespace skymoor::client {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint16_t kUserObj = 0x01, kUser = 0x02, kGroupObj = 0x04, kGroup = 0x08, kMask = 0x10, kOther = 0x20;
constexpr std::size_t kMaxEntries = 8192;
constexpr std::uint32_t kAll = 0777;

AclEntry* find(Acl& acl, std::uint16_t tag) {
  for (AclEntry& entry : acl)
    if (entry.tag == tag) return &entry;
  return nullptr;
}

/// The entry that the group bits of the mode stand for.
AclEntry* group_class(Acl& acl) {
  AclEntry* mask = find(acl, kMask);
  return mask ? mask : find(acl, kGroupObj);
}

/// Each class once, in order of their tags; a mask wherever somebody is named.
Status check(const Acl& acl) {
  unsigned seen = 0;
  std::uint16_t last = 0;
  for (const AclEntry& entry : acl) {
    bool named = entry.tag == kUser || entry.tag == kGroup;
    bool known = named || entry.tag == kUserObj || entry.tag == kGroupObj || entry.tag == kMask || entry.tag == kOther;
    bool ordered = named ? entry.tag >= last : entry.tag > last;
    if (!known || !ordered || entry.permissions > 7)
      return Error(Code::kInvalidArgument, "malformed access control list");
    seen |= entry.tag;
    last = entry.tag;
  }
  bool complete = (seen & (kUserObj | kGroupObj | kOther)) == (kUserObj | kGroupObj | kOther);
  if (!complete || ((seen & (kUser | kGroup)) != 0 && (seen & kMask) == 0))
    return Error(Code::kInvalidArgument, "incomplete access control list");
  return {};
}

/// Takes from the entry what `mode` (shifted by `shift`) does not allow, and from the mode what the entry does not.
void restrict_both(AclEntry& entry, std::uint32_t& mode, unsigned shift) {
  entry.permissions &= static_cast<std::uint16_t>(mode >> shift & 7);
  mode &= ~(7u << shift) | static_cast<std::uint32_t>(entry.permissions) << shift;
}

}  // namespace

Result<Acl> decode_acl(ByteView value) {
  Acl acl;
  if (value.empty()) return acl;
  ByteReader in(value);
  if (in.u32() != kVersion || in.remaining() % 8 != 0 || in.remaining() / 8 > kMaxEntries)
    return Error(Code::kInvalidArgument, "not an access control list");
  while (in.remaining() != 0) {
    AclEntry& entry = acl.emplace_back();
    entry.tag = in.u16();
    entry.permissions = in.u16();
    entry.id = in.u32();
  }
  if (!acl.empty()) TRY(check(acl));
  return acl;
}

Bytes encode_acl(const Acl& acl) {
  ByteWriter out;
  out.u32(kVersion);
  for (const AclEntry& entry : acl) {
    out.u16(entry.tag);
    out.u16(entry.permissions);
    out.u32(entry.id);
  }
  return out.take();
}

std::uint32_t mode_with_acl(const Acl& acl, std::uint32_t mode) {
  Acl list = acl;
  std::uint32_t bits = 0;
  if (AclEntry* entry = find(list, kUserObj)) bits |= static_cast<std::uint32_t>(entry->permissions) << 6;
  if (AclEntry* entry = group_class(list)) bits |= static_cast<std::uint32_t>(entry->permissions) << 3;
  if (AclEntry* entry = find(list, kOther)) bits |= entry->permissions;
  return (mode & ~kAll) | bits;
}

bool is_minimal(const Acl& acl) {
  for (const AclEntry& entry : acl)
    if (entry.tag == kUser || entry.tag == kGroup || entry.tag == kMask) return false;
  return true;
}

void apply_mode(Acl& acl, std::uint32_t mode) {
  if (AclEntry* entry = find(acl, kUserObj)) entry->permissions = mode >> 6 & 7;
  if (AclEntry* entry = group_class(acl)) entry->permissions = mode >> 3 & 7;
  if (AclEntry* entry = find(acl, kOther)) entry->permissions = mode & 7;
}

Result<InheritedAcl> inherit_acl(ByteView default_acl, std::uint32_t mode, bool is_directory) {
  InheritedAcl inherited;
  Acl acl = TRY(decode_acl(default_acl));
  inherited.mode = mode;
  if (acl.empty()) return inherited;
  if (AclEntry* entry = find(acl, kUserObj)) restrict_both(*entry, inherited.mode, 6);
  if (AclEntry* entry = group_class(acl)) restrict_both(*entry, inherited.mode, 3);
  if (AclEntry* entry = find(acl, kOther)) restrict_both(*entry, inherited.mode, 0);
  if (!is_minimal(acl)) inherited.access = encode_acl(acl);
  if (is_directory) inherited.standard = to_bytes(default_acl);
  return inherited;
}

}  // namespace skymoor::client
