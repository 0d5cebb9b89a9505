// Authorization: the one place that decides who may do what with a volume.
#pragma once
#include "backend-server/metadata_store/account_table.h"
#include "backend-server/metadata_store/volume_table.h"
#include "backend-server/services/caller.h"
#include "shared/crypto/signature.h"

namespace skymoor::server {

/// A volume the caller may use, and as what.
struct VolumeAccess {
  VolumeRow volume;
  protocol::Role role = protocol::Role::kReader;
};

/// The volume, if the caller is a member with at least `least`. Part of the read or update that it guards, so that a
/// removal of the member and the guarded act have an order.
/// Errors: NotFound (no such volume, or not a member: both answer the same), Forbidden (a member of a lesser role).
Result<VolumeAccess> require_role(const VolumeTable& volumes, const Caller& caller, const VolumeId& volume,
                                  protocol::Role least);

/// The device that the caller works on, if it may still write. Errors: Forbidden (revoked).
Result<DeviceRow> require_device(const AccountTable& accounts, const Caller& caller);
/// The key with which what that device says must be signed. Errors: Forbidden (revoked), Corrupt.
Result<crypto::PublicKey> require_signing_key(const AccountTable& accounts, const Caller& caller);

/// Errors: NotFound: to anybody else, what is for admins does not exist.
Status require_admin(const Caller& caller);

}  // namespace skymoor::server
