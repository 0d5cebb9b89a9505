// Where the cache is not, though it was asked for.
#pragma once
#include <string>

#include "fuse/app/state/state_paths.h"

namespace skymoor::client {

/// What to say when the cache directory lies on another filesystem than the state: a file that is changed here goes from the
/// one to the other by a rename, under those who have it open, so the files are kept with the state then. Empty: they are not,
/// or one of the directories does not exist.
std::string cache_notice(const StatePaths& paths);

}  // namespace skymoor::client
