#include "fuse/app/state/cache_notice.h"

#include <sys/stat.h>

namespace skymoor::client {

std::string cache_notice(const StatePaths& paths) {
  struct stat state = {}, cache = {};
  if (::stat(paths.state.c_str(), &state) != 0 || ::stat(paths.cache.c_str(), &cache) != 0 || state.st_dev == cache.st_dev)
    return {};
  return "cached files are kept in " + paths.state + " too, because " + paths.cache +
         " is on another filesystem (state-dir says where both are)";
}

}  // namespace skymoor::client
