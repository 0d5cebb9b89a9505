// Where the client keeps what.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "shared/base/file.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// Reads the environment; tests pass their own. Nothing for an unset variable.
using Environment = std::function<const char*(const char*)>;
Environment process_environment();

/// The state directory holds what exists nowhere else, the cache directory what the server also has. Everything in both
/// is for the user alone (0700, 0600).
struct StatePaths {
  std::string state;   ///< --state-dir, SKYMOOR_STATE_DIR, $XDG_DATA_HOME/skymoor, ~/.local/share/skymoor
  std::string cache;   ///< cache-dir, $XDG_CACHE_HOME/skymoor, ~/.cache/skymoor

  /// Makes both absolute; creates nothing. Errors: InvalidArgument (no home directory known),
  /// NotDirectory (the state is to be where a file is).
  static Result<StatePaths> resolve(const std::string& state_option, const std::string& cache_option,
                                    const Environment& environment);

  std::string account_file() const { return state + "/account.json"; }
  std::string session_file() const { return state + "/session.json"; }
  std::string session_lock() const { return state + "/session.lock"; }
  std::string log_directory() const { return state + "/log"; }
  std::string log_file() const { return state + "/log/mount.log"; }
  std::string volumes() const { return state + "/volumes"; }
  std::string volume(const VolumeId& id) const { return volumes() + "/" + id.hex(); }
  std::string volume_file(const VolumeId& id) const { return volume(id) + "/volume.json"; }
  std::string metadata(const VolumeId& id) const { return volume(id) + "/metadata"; }
  std::string nodes_file(const VolumeId& id) const { return volume(id) + "/nodes"; }   ///< StableNodes' table
  /// The kernel's name for the mount, a NUL, and the mount point, while it is mounted and until an orderly end.
  std::string mount_note(const VolumeId& id) const { return volume(id) + "/mounted_on"; }
  std::string unsent_note(const VolumeId& id) const { return volume(id) + "/unsent"; }   ///< unsent_note.h
  std::string spare_room(const VolumeId& id) const { return volume(id) + "/spare_room"; }   ///< SpareRoom's file
  std::string cache_of(const VolumeId& id) const { return cache + "/" + id.hex(); }
};

/// Makes a directory (and its parents) that only this user may enter, and refuses one that others may.
/// Errors: PermissionDenied, saying what to change.
Status make_private_directory(Disk& disk, const std::string& path);

}  // namespace skymoor::client
