// What a volume that is not mounted has not sent: noted at the end of each mount, for those who ask later.
#pragma once
#include <optional>
#include <vector>

#include "fuse/app/state/state_paths.h"

namespace skymoor::client {

struct UnsentChanges {
  std::uint64_t changes = 0, files = 0, bytes = 0;   ///< files: with content that is only here; bytes: of that
};

/// Durability: survives the process; a power cut may take it, and then nobody knows. Errors: NoSpace, Io.
Status write_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id, const UnsentChanges& unsent);
/// While the volume is mounted there is none.
Status remove_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id);
/// Nothing: its last mount did not come to an orderly end, or lasts.
std::optional<UnsentChanges> read_unsent_note(Disk& disk, const StatePaths& paths, const VolumeId& id);

/// A volume with a state here that no process has open.
struct UnmountedVolume {
  std::string label;
  VolumeId id;
  std::optional<UnsentChanges> unsent;   ///< nothing: not known until it is mounted
};
/// By label, without those that were never mounted here, and those that a process has open: mounted, starting, ending, stuck.
/// volume.json of some may be damaged: they go by their id. `ours`: this process holds the volumes' locks itself. Errors: Io.
Result<std::vector<UnmountedVolume>> unmounted_volumes(Disk& disk, const StatePaths& paths, bool ours = false);

/// "3 changes (2 files, 5.0 KiB)", "nothing".
std::string describe_unsent(const UnsentChanges& unsent);
/// "volume 'home', not mounted: 3 changes (...) are not sent ..."; empty when there is nothing to say.
std::string describe_unsent(const UnmountedVolume& volume);

}  // namespace skymoor::client
