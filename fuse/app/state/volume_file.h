// volume.json: what a device must know of a volume to mount it with no server in reach.
#pragma once
#include <vector>

#include "fuse/app/state/state_paths.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/protocol/volumes.h"

namespace skymoor::client {

struct LocalVolume {
  VolumeId id;
  std::string label;
  protocol::Role role = protocol::Role::kOwner;
  DeviceId device;              ///< whose state it is
  WriterId writer;              ///< leased for this state directory; 0: none (a reader's)
  crypto::VolumeKey key;        ///< seed empty after a logout
  // What the server last said, for statfs while it cannot be asked.
  std::uint64_t quota_bytes = 0, stored_bytes = 0, free_bytes = 0;

  LocalVolume clone() const;
};

/// Errors: NotFound, Corrupt.
Result<LocalVolume> load_volume(Disk& disk, const StatePaths& paths, const VolumeId& id);
/// Makes the volume's directory if need be. Durability: on return it survives a power cut.
Status save_volume(Disk& disk, const StatePaths& paths, const LocalVolume& volume);
/// All volumes with a state here, by label. Damaged ones are left out and named in `damaged`, if given.
Result<std::vector<LocalVolume>> local_volumes(Disk& disk, const StatePaths& paths,
                                               std::vector<Error>* damaged = nullptr);
/// By label or id. Errors: NotFound; InvalidArgument (several have that label: names their ids); Corrupt.
Result<LocalVolume> find_local_volume(Disk& disk, const StatePaths& paths, const std::string& name);

}  // namespace skymoor::client
