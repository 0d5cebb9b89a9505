#include <cstdio>

#include "fuse/app/command_line/completion.h"
#include "fuse/app/commands/commands.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {

Result<ExitCode> run_command(const CompletionArguments& arguments, CommandContext& context) {
  const std::string script = TRY(completion_script(arguments.shell, describe_command_line()));
  if (!context.console.json()) std::fputs(script.c_str(), stdout);
  context.console.result(protocol::dump({{"shell", arguments.shell}, {"script", script}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
