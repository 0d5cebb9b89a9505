// Completion scripts for shells, made from the command line's own description.
#pragma once
#include "fuse/app/command_line/command_line.h"
#include "shared/base/error.h"

namespace skymoor::client {

/// `shell`: bash, zsh or fish. Errors: InvalidArgument.
Result<std::string> completion_script(const std::string& shell, const CommandDescription& program);

}  // namespace skymoor::client
