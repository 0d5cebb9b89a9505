// VolumeService: volumes, their members and writers.
#pragma once
#include <functional>
#include <vector>

#include "backend-server/services/caller.h"
#include "shared/base/clock.h"
#include "shared/protocol/volumes.h"

namespace skymoor::server {

class MetadataStore;
struct VolumeAccess;

/// A member as other members see it.
struct Member {
  UserId user;
  std::string user_name;
  protocol::Role role = protocol::Role::kReader;
};

/// Thread-safe. Everything about a volume that is not its tree. Failure: an error changes nothing.
class VolumeService {
 public:
  struct Options {
    std::uint64_t default_quota_bytes = 0;              ///< of new volumes; 0: none
    std::size_t max_volumes_per_user = 1000;
    std::function<std::uint64_t()> free_bytes;          ///< what the block store's disks could still hold
  };
  VolumeService(Options options, MetadataStore& store, const Clock& clock);

  /// The caller becomes the owner; the tree is a root directory (kRootInode). Errors: AlreadyExists (id),
  /// InvalidArgument (id of zeros, sizes of keys, mode), QuotaExceeded (too many volumes).
  Result<protocol::VolumeInfo> create(const Caller& caller, const protocol::CreateVolume& request);
  Result<std::vector<protocol::VolumeInfo>> list(const Caller& caller);
  /// Errors: NotFound.
  Result<protocol::VolumeInfo> info(const Caller& caller, const VolumeId& volume);
  /// A new prefix for one state directory of the caller's device. Errors: NotFound, Forbidden (a reader),
  /// QuotaExceeded (nearly all prefixes are out).
  Result<protocol::WriterLease> lease_writer(const Caller& caller, const VolumeId& volume);
  /// Gives a prefix back to the device that held it before the server was put back from a backup. Errors: NotFound,
  /// Forbidden, AlreadyExists (another device's), InvalidArgument (no prefix).
  Result<protocol::WriterLease> claim_writer(const Caller& caller, const VolumeId& volume, WriterId writer);
  /// Begins a new epoch if the device has seen history that this server does not have; where that was done already, or
  /// the device is of an older epoch, it just answers. Errors: NotFound, Forbidden, BadSignature, InvalidArgument (this
  /// server's history is as the device says).
  Result<protocol::VolumeInfo> begin_epoch(const Caller& caller, const VolumeId& volume,
                                           const protocol::BeginEpoch& request);
  /// Whoever may have signed what the feed holds, the revoked too. Errors: NotFound.
  Result<std::vector<protocol::DevicePublic>> devices(const Caller& caller, const VolumeId& volume);
  Result<std::vector<Member>> members(const Caller& caller, const VolumeId& volume);

 private:
  protocol::VolumeInfo describe(const VolumeAccess& access, Bytes sealed_key) const;

  // Constant after construction.
  const Options options_;
  MetadataStore& store_;
  const Clock& clock_;
};

}  // namespace skymoor::server
