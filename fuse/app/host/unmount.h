// Taking a mount away, and who keeps it busy.
#pragma once
#include <string>
#include <vector>

#include "fuse/app/host/mount_table.h"
#include "shared/base/error.h"

namespace skymoor::client {

struct BusyProcess {
  int pid = 0;
  std::string name;
  std::string what;   ///< "works in /x", "has /x/y open"
};
/// Processes that hold something below `mount_point`, found by what their links in /proc say: nothing of the mount itself
/// is touched. Other users' processes are seen by root only. At most `limit`.
std::vector<BusyProcess> processes_using(const std::string& mount_point, std::size_t limit = 10);

/// umount2(2), or fusermount3 for users. Without `lazy` it fails with Busy, naming the processes, while something is in
/// use; with it the mount disappears at once and ends when they are done. Errors: NotFound (nothing is mounted there),
/// Busy, NotPermitted.
Status unmount(const std::string& mount_point, bool lazy);

/// Ends the connection of a mount to its process: what waits for an answer, and all that comes later, fails with ECONNABORTED
/// or ENOTCONN. The mount stays. For one that nobody serves any more: the kernel ends it by itself only when the last
/// descriptor is closed, and a process that waits in the kernel for a page that such a request holds keeps one for ever.
/// By the kernel's control filesystem, which the user who mounted may use where it is mounted, and root anywhere. Errors:
/// NotFound (no such mount), NotPermitted, Io. Source: linux/Documentation/filesystems/fuse.
Status abort_requests(const MountEntry& mount);

}  // namespace skymoor::client
