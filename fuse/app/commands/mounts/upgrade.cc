#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/remote/backoff.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 60s;
constexpr auto kCheck = 50ms;

/// The file of this process's program, as it would be started again.
Result<std::string> this_program() {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed || ::access(path.c_str(), X_OK) != 0)
    return Error(Code::kNotFound, "this program's own file is gone: run the installed one");
  return path.string();
}

bool is_gone(int process) { return ::kill(process, 0) != 0 && errno == ESRCH; }

/// Waits until another process answers for the mount. Errors: Cancelled (it was ended instead), TimedOut.
Status upgrade(const RunningMount& mount, const std::string& program, CommandContext& context) {
  const std::string answer = TRY(control_call(mount.directory, upgrade_request(program), 10s));
  TRY(read_control_answer(answer));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = find_running_mount(context.disk, context.paths, mount.mount_point);
    if (now.ok() && now->pid != mount.pid) return {};
    if (is_gone(mount.supervisor)) return Error(Code::kCancelled, "it was unmounted meanwhile: mount it again");
    sleep_unless_stopped(kCheck, {});
  }
  return Error(Code::kTimedOut, mount.mount_point + " does not answer since it was handed over; its log says why");
}

}  // namespace

Result<ExitCode> run_command(const UpgradeArguments& arguments, CommandContext& context) {
  const std::string program = TRY(this_program());
  std::vector<RunningMount> mounts;
  if (arguments.directory.empty())
    mounts = TRY(running_mounts(context.disk, context.paths));
  else
    mounts.push_back(TRY(find_running_mount(context.disk, context.paths, arguments.directory)));
  protocol::Json upgraded = protocol::Json::array();
  for (const RunningMount& mount : mounts) {
    if (!mount.attached) {
      context.console.note(mount.mount_point + " was detached: left as it is until it ends.");
      continue;
    }
    if (Status done = upgrade(mount, program, context); !done.ok()) return done.error().wrap(mount.mount_point);
    context.console.say(mount.mount_point + " is served by " + program + " now.");
    upgraded.push_back(mount.mount_point);
  }
  if (mounts.empty()) context.console.say("Nothing is mounted.");
  context.console.result(protocol::dump({{"ok", true}, {"upgraded", upgraded}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
