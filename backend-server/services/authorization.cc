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

Status require_admin(const Caller& caller) {
  if (!caller.admin) return Error(Code::kNotFound, "not found");
  return {};
}

}  // namespace skymoor::server
