// The mounts that run with a state directory, found by their control sockets.
#pragma once
#include <vector>

#include "fuse/app/host/mount_table.h"
#include "fuse/app/state/state_paths.h"

namespace skymoor::client {

struct RunningMount {
  std::string directory;     ///< where its control socket is
  std::string status_json;
  std::string volume, mount_point;
  int pid = 0;
  std::uint64_t unsent = 0;  ///< records that the server has not acknowledged
  int supervisor = 0;        ///< 0: none
  bool online = false;
  bool stopped = false;      ///< a person must decide before it syncs again
  bool attached = true;      ///< false: detached (umount --lazy), and still used by programs
};

/// Asks each for its status. A mount that does not answer in time is left out and named in `silent`, if given.
Result<std::vector<RunningMount>> running_mounts(Disk& disk, const StatePaths& paths,
                                                 std::vector<std::string>* silent = nullptr);
/// A mount of the kernel's table that none of `running` serves.
struct ForeignMount {
  MountEntry entry;
  MountState state = MountState::kAnswers;
};
/// Of any state directory and user. Takes up to two seconds for each that is silent.
Result<std::vector<ForeignMount>> foreign_mounts(const std::vector<RunningMount>& running);
/// What the kernel still shows of mounts with this state whose process has died.
Result<std::vector<MountEntry>> dead_mounts(Disk& disk, const StatePaths& paths, const std::vector<RunningMount>& running);
/// Errors: Busy, naming a mount that runs with this state or does not answer.
Status require_unmounted(Disk& disk, const StatePaths& paths);
/// The one whose mount point holds `path`; nothing: not ours.
Result<RunningMount> find_running_mount(Disk& disk, const StatePaths& paths, const std::string& path);
/// The same, or the one that was detached from the mount point `path`: of what needs no path in it.
Result<RunningMount> find_process_of(Disk& disk, const StatePaths& paths, const std::string& path);

}  // namespace skymoor::client
