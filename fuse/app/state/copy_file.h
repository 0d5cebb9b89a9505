// Copying what is in a file into another that is open, holes as holes.
#pragma once
#include <sys/stat.h>

#include <string>

#include "shared/base/error.h"
#include "shared/base/fd.h"

namespace skymoor::client {

/// All of `from` into `to`, which is empty, and is as long afterwards. Both are descriptors; their positions move.
Status copy_file(int from, int to);
/// Nobody has written the file, or changed what else is known of it, between two looks.
bool is_unchanged(const struct stat& before, const struct stat& now);
/// A new file without a name, which goes with its descriptor, on the disk of that directory.
Result<UniqueFd> nameless_file(const std::string& directory);

}  // namespace skymoor::client
