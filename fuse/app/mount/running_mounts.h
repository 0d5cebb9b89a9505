// The mounts that run with a state directory, found by their control sockets.
#pragma once
#include <vector>

#include "fuse/app/state/state_paths.h"

namespace skymoor::client {

struct RunningMount {
  std::string directory;     ///< where its control socket is
  std::string status_json;
  std::string volume, mount_point;
  int pid = 0;
  int supervisor = 0;        ///< 0: none
  bool stopped = false;      ///< a person must decide before it syncs again
};

/// Asks each for its status. A mount that does not answer in time is left out and named in `silent`, if given.
Result<std::vector<RunningMount>> running_mounts(Disk& disk, const StatePaths& paths,
                                                 std::vector<std::string>* silent = nullptr);
/// Errors: Busy, naming a mount that runs with this state or does not answer.
Status require_unmounted(Disk& disk, const StatePaths& paths);
/// The one whose mount point holds `path`; nothing: not ours.
Result<RunningMount> find_running_mount(Disk& disk, const StatePaths& paths, const std::string& path);

}  // namespace skymoor::client
