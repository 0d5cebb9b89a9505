// Copying what is in a file into another that is open, holes as holes.
#pragma once
#include "shared/base/error.h"

namespace skymoor::client {

/// All of `from` into `to`, which is empty, and is as long afterwards. Both are descriptors; their positions move.
Status copy_file(int from, int to);

}  // namespace skymoor::client
