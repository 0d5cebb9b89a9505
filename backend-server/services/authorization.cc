#include "backend-server/services/authorization.h"

namespace skymoor::server {

Result<VolumeAccess> require_role(const VolumeTable& volumes, const Caller& caller, const VolumeId& volume,
                                  protocol::Role least) {
  auto membership = TRY(volumes.find_membership(volume, caller.user));
  if (!membership) return Error(Code::kNotFound, "no such volume");
  if (membership->member.role < least)
    return Error(Code::kForbidden, least == protocol::Role::kOwner ? "only an owner of the volume may do that"
                                                                   : "your role in this volume is read-only");
  return VolumeAccess{std::move(membership->volume), membership->member.role};
}

Result<DeviceRow> require_device(const AccountTable& accounts, const Caller& caller) {
  auto device = TRY(accounts.find_device(caller.device));
  if (!device || device->revoked) return Error(Code::kForbidden, "this device was revoked");
  return *std::move(device);
}

Result<crypto::PublicKey> require_signing_key(const AccountTable& accounts, const Caller& caller) {
  const DeviceRow device = TRY(require_device(accounts, caller));
  crypto::PublicKey key{};
  if (device.device.signing_key.size() != key.size())
    return Error(Code::kCorrupt, "a device's stored key has the wrong length");
  std::copy(device.device.signing_key.begin(), device.device.signing_key.end(), key.begin());
  return key;
}

Status require_admin(const Caller& caller) {
  if (!caller.admin) return Error(Code::kNotFound, "not found");
  return {};
}

}  // namespace skymoor::server
