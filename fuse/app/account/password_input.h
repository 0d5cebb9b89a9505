// Getting the password: from a file, standard input, or the terminal without echo. Never from the environment or the
// command line, which other processes can read.
#pragma once
#include "fuse/app/console.h"

namespace skymoor::client {

/// The first line of `file` ("-": standard input), or what is typed, `twice` to be sure. Errors: InvalidArgument (typed
/// differently, nobody to ask), NotFound, Io.
Result<crypto::SecretBytes> read_password(Console& console, const std::string& file, bool twice);

}  // namespace skymoor::client
