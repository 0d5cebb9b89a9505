// The options of a mount: -o on the command line, or in fstab.
#pragma once
#include <string>
#include <vector>

#include "fuse/filesystem/filesystem.h"
#include "shared/base/settings.h"

namespace skymoor::client {

/// Our own options as a table, and the standard ones of mount(8): some go on to the kernel, some are for mount(8) alone
/// and are dropped.
struct MountOptions {
  Settings settings;
  std::vector<std::string> kernel_options;   ///< nosuid, nodev, noexec, ...
  Filesystem::AccessTimes access_times = Filesystem::AccessTimes::kRelative;
  bool directory_access_times = true;

  MountOptions();
  bool read_only() const { return settings.flag("ro"); }
};

/// Each text holds options separated by commas ("\," is a comma in a value). The last of a kind counts.
/// Errors: InvalidArgument, naming the option, what is allowed, and the nearest one for a misspelt one.
Result<MountOptions> parse_mount_options(const std::vector<std::string>& texts);
std::string mount_options_help();

}  // namespace skymoor::client
