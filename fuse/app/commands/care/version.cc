#include "fuse/app/commands/commands.h"
#include "shared/protocol/failure.h"
#include "shared/protocol/json_fields.h"
#include "skymoor_version.h"

namespace skymoor::client {

Result<ExitCode> run_command(const VersionArguments&, CommandContext& context) {
  context.console.say("skymoor " SKYMOOR_VERSION);
  context.console.result(protocol::dump({{"version", SKYMOOR_VERSION}, {"protocol", protocol::kProtocolVersion}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
