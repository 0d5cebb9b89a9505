// The kernel's mount table, and whether a directory may become a mount point.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"

namespace skymoor::client {

struct MountEntry {
  std::string mount_point;
  std::string type;     ///< "fuse.skymoor"
  std::string source;   ///< "skymoor:home"
  std::uint32_t device = 0;   ///< the kernel's number of the filesystem: major << 20 | minor
};
inline constexpr std::string_view kMountType = "fuse.skymoor";

/// Source: man 5 proc, /proc/PID/mountinfo.
std::vector<MountEntry> parse_mount_table(std::string_view mountinfo);
/// This process's view, in the order of mounting. Errors: Io.
Result<std::vector<MountEntry>> read_mount_table();
/// The mount that `path` (absolute, without "..") lies in: the longest mount point, the last of equals.
const MountEntry* mount_holding(const std::vector<MountEntry>& table, std::string_view path);

/// The last one on `mount_point` of the volume with that label; nothing: there is none.
const MountEntry* mount_of(const std::vector<MountEntry>& table, std::string_view mount_point, std::string_view label);

/// A mount as it is noted in a file: source, NUL, mount point. The one of the table that a note means; nothing: it is gone.
std::string note_of(std::string_view source, std::string_view mount_point);
const MountEntry* mount_noted(const std::vector<MountEntry>& table, std::string_view note);

/// Whether that mount is the one that whoever names its mount point gets at: not detached, and nothing mounted over it.
/// True of one that is not known (no device). Errors: Io.
Result<bool> is_on_top(const MountEntry& mount);

/// Absolute, with the links of its parents resolved but without a look at the directory itself: that could be a mount
/// whose daemon is dead or stuck.
std::string absolute_mount_point(const std::string& path);

/// kDead: its process has died, the kernel answers ENOTCONN or ECONNABORTED then, at once. kSilent: no answer within two
/// seconds; somebody may still serve it. Source: fs/fuse/dev.c.
enum class MountState { kAnswers, kDead, kSilent };
MountState state_of_mount(const std::string& mount_point);

/// The directory as an absolute path, fit to mount on. Errors, each saying what to do: NotFound, NotDirectory,
/// Busy (something of ours is mounted there), NotEmpty, PermissionDenied.
Result<std::string> check_mount_point(const std::string& path, bool allow_nonempty);

}  // namespace skymoor::client
