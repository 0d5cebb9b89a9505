// What a mount tells about itself: the JSON of `skymoor status --json`, one object per mount.
#pragma once
#include <functional>

#include "fuse/cache/backing_store.h"
#include "fuse/channel/channel.h"
#include "fuse/sync/sync_engine.h"
#include "shared/base/watchdog.h"

namespace skymoor::client {

/// What does not change while it is mounted.
struct MountFacts {
  std::string volume;             ///< label
  VolumeId volume_id;
  std::string mount_point, log_file, state_directory, server;
  std::string cache_notice;       ///< why files are not where the cache should be; empty: they are
  int pid = 0;
  Timestamp started{};
  bool read_only = false;
  std::string passthrough_off;    ///< why the kernel reads and writes no files itself; empty: it may
  /// False once it was detached (umount --lazy) while programs used it: they still do.
  std::function<bool()> attached = [] { return true; };
  // How it is kept through its process's death; supervisor 0: it is not.
  int supervisor = 0;
  std::function<bool()> supervised = [] { return false; };
  std::uint32_t crashes = 0, upgrades = 0;
  std::optional<Timestamp> last_crash;
  int last_crash_status = 0;      ///< as waitpid gives it
  /// Threads that make no progress now.
  std::function<std::vector<Watchdog::Stuck>()> stuck = [] { return std::vector<Watchdog::Stuck>(); };
};

/// The object as JSON text. Times are RFC 3339 in UTC; fields are only ever added.
std::string encode_mount_status(const MountFacts& facts, const SyncStatus& sync, const BackingStore::Usage& cache,
                                const PassthroughUse& passthrough, Timestamp now);

/// "2026-03-01T12:00:00Z"
std::string format_time(Timestamp time);

/// The object for people, several lines without a newline at the end. Errors: InvalidArgument (not such an object).
Result<std::string> describe_mount_status(std::string_view json);
/// Of that, how the kernel gets at files: "passthrough", or why not. Never fails.
std::string describe_passthrough(std::string_view json);

}  // namespace skymoor::client
