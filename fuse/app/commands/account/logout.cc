#include <filesystem>

#include "fuse/app/state/volume_file.h"
#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/offline_store.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/unsent_note.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

/// A damaged store counts as one with unsent changes: it may hold some.
Status refuse_with_unsent(CommandContext& context) {
  std::vector<Error> damaged;
  for (const LocalVolume& volume : TRY(local_volumes(context.disk, context.paths, &damaged))) {
    const auto unsent = unsent_changes(context.disk, context.clock, context.paths, volume);
    if (!unsent.ok())
      return unsent.error().wrap("volume '" + volume.label + "' may hold unsent changes (--force throws them away)");
    if (*unsent > 0)
      return Error(Code::kBusy, "volume '" + volume.label + "' has " + std::to_string(*unsent) +
                                    " unsent changes: mount it and 'skymoor sync' (or --force throws them away)");
  }
  if (!damaged.empty()) return damaged.front().wrap("a volume may hold unsent changes (--force throws them away)");
  return {};
}

/// Without user key and volume keys this device opens nothing any more; a new login gets them again.
Status drop_keys(CommandContext& context, Account account) {
  for (LocalVolume& volume : TRY(local_volumes(context.disk, context.paths))) {
    volume.key.seed = {};
    TRY(save_volume(context.disk, context.paths, volume));
  }
  account.user_key.seed = {};
  return save_account(context.disk, context.paths.account_file(), account);
}

Status remove_everything(const StatePaths& paths) {
  for (const std::string& path : {paths.session_file(), paths.session_lock(), paths.account_file(), paths.volumes(),
                                  paths.log_directory(), paths.cache}) {
    std::error_code failed;
    std::filesystem::remove_all(path, failed);
    if (failed) return Error::from_errno(failed.value(), "remove " + path);
  }
  return {};
}

}  // namespace

Result<ExitCode> run_command(const LogoutArguments& arguments, CommandContext& context) {
  auto in = TRY(logged_in(context));
  TRY(require_unmounted(context.disk, context.paths));
  // Held until everything is gone: a mount that is just starting would write its keys back.
  const std::vector<UniqueFd> locks = TRY(lock_volumes(context.disk, context.paths));
  if (arguments.forget && !arguments.force) TRY(refuse_with_unsent(context));
  std::vector<std::string> unsent;   // not to be reached until then
  if (!arguments.forget)
    for (const UnmountedVolume& volume : TRY(unmounted_volumes(context.disk, context.paths, true)))
      if (std::string line = describe_unsent(volume); !line.empty()) unsent.push_back(std::move(line));
  // The server's part is a courtesy: a logout must work without it.
  if (Status told = in.server->account().logout({5s, {}});
      !told.ok() && told.error().code() != Code::kUnauthenticated)
    context.console.note("skymoor: the server was not told (" + told.error().message() +
                         "); 'skymoor devices revoke' on another device ends this login for good");
  TRY(in.server->store().remove({}));
  if (arguments.forget)
    TRY(remove_everything(context.paths));
  else
    TRY(drop_keys(context, std::move(in.account)));
  std::string text = arguments.forget ? "Logged out; nothing of the account is left here."
                                      : "Logged out. Unsent changes stay here until the next login.";
  for (const std::string& line : unsent) text += "\n  " + line;
  context.console.say(text);
  context.console.result(R"({"ok":true})");
  return ExitCode::kOk;
}

}  // namespace skymoor::client
