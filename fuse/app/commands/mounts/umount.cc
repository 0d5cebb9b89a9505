#include <signal.h>
#include <unistd.h>

#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/host/mount_table.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/host/unmount.h"
#include "fuse/app/state/unsent_note.h"
#include "fuse/remote/backoff.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr auto kEndPatience = 60s;
constexpr auto kEndCheck = 10ms;

/// Whether the process still serves: gone, or ended and not yet waited for, it does not.
bool is_running(const RunningMount& mount) {
  if (::kill(mount.pid, 0) != 0 && errno == ESRCH) return false;
  return ::access((mount.directory + "/" + kControlSocket).c_str(), F_OK) == 0 ||
         ::access(("/proc/" + std::to_string(mount.pid) + "/exe").c_str(), F_OK) == 0;
}

/// After the unmount the process still closes its state; a mount that follows must find it closed.
Status wait_for_end(const RunningMount& mount) {
  const auto deadline = std::chrono::steady_clock::now() + kEndPatience;
  while (is_running(mount)) {
    if (std::chrono::steady_clock::now() > deadline)
      return Error(Code::kTimedOut, mount.mount_point + " is unmounted, but its process " + std::to_string(mount.pid) +
                                        " has not ended yet; its log says why");
    sleep_unless_stopped(kEndCheck, {});
  }
  // Its supervisor has nothing left to do.
  while (mount.supervisor > 0 && ::kill(mount.supervisor, 0) == 0 && std::chrono::steady_clock::now() < deadline &&
         ::access(("/proc/" + std::to_string(mount.supervisor) + "/exe").c_str(), F_OK) == 0)
    sleep_unless_stopped(kEndCheck, {});
  return {};
}

/// What was detached while programs used it: the kernel shows it nowhere, its process goes on.
std::optional<RunningMount> find_detached(CommandContext& context, const std::string& directory) {
  auto mounts = running_mounts(context.disk, context.paths);
  if (!mounts.ok()) return std::nullopt;
  for (RunningMount& mount : *mounts)
    if (!mount.attached && mount.mount_point == directory) return std::move(mount);
  return std::nullopt;
}

Status end_detached(const RunningMount& mount, const UmountArguments& arguments) {
  if (!arguments.force)
    return Error(Code::kBusy, mount.mount_point + " is detached already, and programs still use it: it ends with the last of them; "
                                                  "--force ends it at once, and they get errors");
  const std::string answer = TRY(control_call(mount.directory, stop_request(), kEndPatience));
  TRY(read_control_answer(answer));
  return wait_for_end(mount);
}

Status send_everything(const RunningMount& mount, std::optional<std::chrono::milliseconds> timeout) {
  Status synced = sync_mount(mount.directory, timeout);
  if (synced.ok()) return {};
  return synced.error().wrap("not everything was sent, so " + mount.mount_point + " stays mounted");
}

/// What the mount that has just ended left unsent; nothing: not known.
std::optional<UnsentChanges> left_behind(const RunningMount& mount, CommandContext& context) {
  const auto id = VolumeId::from_hex(mount.directory.substr(mount.directory.rfind('/') + 1));
  return id.ok() ? read_unsent_note(context.disk, context.paths, *id) : std::nullopt;
}

}  // namespace

Result<ExitCode> run_command(const UmountArguments& arguments, CommandContext& context) {
  const std::string directory = absolute_mount_point(arguments.directory);
  const auto table = TRY(read_mount_table());
  const MountEntry* entry = mount_holding(table, directory);
  const bool is_mount = entry && entry->mount_point == directory && entry->type == kMountType;
  // Also beneath another one that came after it: nothing else names it.
  if (!is_mount || arguments.force)
    if (const auto detached = find_detached(context, directory)) {
      TRY(end_detached(*detached, arguments));
      context.console.say(directory + " is unmounted" + (is_mount ? ", the one that was detached; what was mounted there since stays." : "."));
      context.console.result(R"({"ok":true})");
      return ExitCode::kOk;
    }
  if (!is_mount)
    return Error(Code::kNotFound, directory + " is not a skymoor mount" +
                                      (entry && entry->type == kMountType ? "; " + entry->mount_point + " is" : ""));
  // A mount whose process has died, or of another state directory, is unmounted all the same.
  const auto running = find_running_mount(context.disk, context.paths, directory);
  if (arguments.wait) {
    if (!running.ok()) return running.error();
    TRY(send_everything(*running, arguments.timeout));
  }
  if (arguments.force) TRY(abort_requests(*entry));
  TRY(unmount(directory, arguments.lazy || arguments.force));
  std::optional<UnsentChanges> unsent;
  if (running.ok() && !arguments.lazy) {
    TRY(wait_for_end(*running));
    unsent = left_behind(*running, context);
  }
  const bool some = unsent && unsent->changes > 0;
  context.console.say(directory + " is unmounted." + (some ? " Not sent yet: " + describe_unsent(*unsent) + "; sent after the next mount." : ""));
  protocol::Json answer = {{"ok", true}};
  if (unsent) answer["unsent"] = unsent->changes;
  context.console.result(protocol::dump(answer));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
