#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/unsent_note.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {

/// Answers from this device's state alone: it works offline.
Result<ExitCode> run_command(const WhoamiArguments&, CommandContext& context) {
  const Account account = TRY(load_account(context.disk, context.paths.account_file()));
  TRY(FileSessionStore(context.disk, context.paths.session_file(), context.paths.session_lock()).load());
  std::string unsent;
  for (const RunningMount& mount : TRY(running_mounts(context.disk, context.paths)))
    if (mount.unsent > 0) unsent += "\n  unsent       volume '" + mount.volume + "': " + format_count(mount.unsent, "change", "changes");
  for (const UnmountedVolume& volume : TRY(unmounted_volumes(context.disk, context.paths)))
    if (const std::string line = describe_unsent(volume); !line.empty()) unsent += "\n  unsent       " + line;
  context.console.say(account.user_name + " at " + account.server_url + "\n  device       " + account.device_name + " (" +
                      account.device.hex() + ")\n  certificate  " +
                      (account.trust.pin.empty() ? "vouched for by this machine's authorities"
                                                 : account.trust.fingerprint + " (pinned)") +
                      "\n  state        " + context.paths.state + unsent);
  context.console.result(protocol::dump({{"user", account.user_name},
                                         {"user_id", account.user.hex()},
                                         {"server", account.server_url},
                                         {"fingerprint", account.trust.fingerprint},
                                         {"pinned", !account.trust.pin.empty()},
                                         {"device", account.device_name},
                                         {"device_id", account.device.hex()},
                                         {"state_directory", context.paths.state}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
