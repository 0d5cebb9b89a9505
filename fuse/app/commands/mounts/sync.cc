#include <cstdio>

#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/running_mounts.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::milliseconds kForever{1000ll * 3600 * 24 * 365};

/// One line that is written over, on a terminal only.
void show_progress(CommandContext& context, const std::string& line) {
  if (context.console.json() || !context.console.output_is_terminal()) return;
  const auto json = protocol::parse_object(as_bytes(line));
  if (!json.ok() || !json->contains("progress")) return;
  protocol::FieldReader progress((*json)["progress"], "");
  protocol::FieldReader in(progress.object("pending"), "");
  const std::uint64_t records = in.number("records", UINT64_MAX), bytes = in.number("bytes", UINT64_MAX);
  if (!in.finish().ok()) return;
  std::printf("\r\x1b[K%llu changes, %s to send", static_cast<unsigned long long>(records), format_bytes(bytes).c_str());
  std::fflush(stdout);
}

Status sync_mount(const RunningMount& mount, std::optional<std::chrono::milliseconds> timeout, CommandContext& context) {
  bool shown = false;
  auto answer = control_call(mount.directory, sync_request(timeout), timeout.value_or(kForever) + 5s, {},
                             [&](const std::string& line) {
                               show_progress(context, line);
                               shown = true;
                             });
  if (shown && context.console.output_is_terminal() && !context.console.json()) std::printf("\r\x1b[K");
  if (!answer.ok()) return answer.error();
  TRY(read_control_answer(*answer));
  context.console.say(mount.mount_point + ": the server has everything.");
  return {};
}

}  // namespace

Result<ExitCode> run_command(const SyncArguments& arguments, CommandContext& context) {
  std::vector<RunningMount> mounts;
  std::vector<std::string> silent;
  if (arguments.path.empty())
    mounts = TRY(running_mounts(context.disk, context.paths, &silent));
  else
    mounts.push_back(TRY(find_process_of(context.disk, context.paths, arguments.path)));
  const auto dead = arguments.path.empty() ? TRY(dead_mounts(context.disk, context.paths, mounts)) : std::vector<MountEntry>();
  if (mounts.empty() && dead.empty() && silent.empty()) return Error(Code::kNotFound, "nothing is mounted: skymoor mount VOLUME DIR");
  for (const RunningMount& mount : mounts) TRY(sync_mount(mount, arguments.timeout, context));
  if (!silent.empty())
    return Error(Code::kConflict, "not everything is known to be sent: a mount does not answer: " + silent.front());
  if (!dead.empty())
    return Error(Code::kConflict, "the process of " + dead.front().mount_point + " has died, so what was written there may not be sent: 'skymoor umount " +
                                      dead.front().mount_point + "' clears it, and mounting again goes on");
  context.console.result(R"({"ok":true})");
  return ExitCode::kOk;
}

}  // namespace skymoor::client
