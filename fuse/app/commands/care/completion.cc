#include <cstdio>

#include "fuse/app/command_line/completion.h"
#include "fuse/app/commands/commands.h"

namespace skymoor::client {

Result<ExitCode> run_command(const CompletionArguments& arguments, CommandContext&) {
  const std::string script = TRY(completion_script(arguments.shell, describe_command_line()));
  std::fputs(script.c_str(), stdout);
  return ExitCode::kOk;
}

}  // namespace skymoor::client
