#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_status.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/unsent_note.h"
#include "fuse/remote/backoff.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
constexpr const char* kClearScreen = "\x1b[H\x1b[2J";

struct Overview {
  std::string json, text, unmounted;
  bool needs_attention = false;
};

/// What is left here of volumes that nobody serves, and is nowhere else.
Status add_unmounted(Overview& overview, const std::vector<MountEntry>& dead, CommandContext& context) {
  protocol::Json list = protocol::Json::array();
  for (const UnmountedVolume& volume : TRY(unmounted_volumes(context.disk, context.paths))) {
    const bool is_dead = std::any_of(dead.begin(), dead.end(), [&](const MountEntry& one) { return one.source == "skymoor:" + volume.label; });
    if (is_dead) continue;   // told of already
    protocol::Json unsent;
    if (volume.unsent) unsent = {{"records", volume.unsent->changes}, {"files", volume.unsent->files}, {"bytes", volume.unsent->bytes}};
    list.push_back({{"volume", volume.label}, {"volume_id", volume.id.hex()}, {"pending", unsent}});
    if (const std::string line = describe_unsent(volume); !line.empty()) overview.unmounted += "\nUnsent: " + line + ".";
  }
  overview.json += ",\"unmounted\":" + protocol::dump(list);
  return {};
}

Result<Overview> look(const StatusArguments& arguments, CommandContext& context) {
  std::vector<std::string> silent;
  std::vector<RunningMount> mounts;
  if (arguments.directory.empty())
    mounts = TRY(running_mounts(context.disk, context.paths, &silent));
  else
    mounts.push_back(TRY(find_process_of(context.disk, context.paths, arguments.directory)));
  Overview overview;
  overview.json = "{\"mounts\":[";
  for (const RunningMount& mount : mounts) {
    if (overview.json.back() != '[') overview.json += ',';
    overview.json += mount.status_json;
    if (!overview.text.empty()) overview.text += "\n\n";
    overview.text += TRY(describe_mount_status(mount.status_json));
    overview.needs_attention |= mount.stopped;
  }
  overview.json += "]";
  if (arguments.directory.empty()) {
    protocol::Json list = protocol::Json::array();
    const auto dead = TRY(dead_mounts(context.disk, context.paths, mounts));
    for (const MountEntry& one : dead) {
      const std::string& where = one.mount_point;
      overview.text += (overview.text.empty() ? "" : "\n\n") + one.source + " on " + where +
                       "\n  dead      its process has died: 'skymoor umount " + where + "' clears it, mounting again goes on; nothing is lost";
      overview.needs_attention = true;
      list.push_back({{"mount_point", where}, {"source", one.source}});
    }
    overview.json += ",\"dead\":" + protocol::dump(list);
    TRY(add_unmounted(overview, dead, context));
  }
  overview.json += "}";
  for (const std::string& who : silent) {
    overview.text += (overview.text.empty() ? "" : "\n") + ("does not answer: " + who);
    overview.needs_attention = true;
  }
  if (overview.text.empty()) overview.text = "Nothing is mounted.";
  overview.text += overview.unmounted;
  return overview;
}

}  // namespace

Result<ExitCode> run_command(const StatusArguments& arguments, CommandContext& context) {
  for (;;) {
    const Overview overview = TRY(look(arguments, context));
    if (arguments.watch && context.console.output_is_terminal()) context.console.say(kClearScreen);
    context.console.say(overview.text);
    context.console.result(overview.json);
    if (!arguments.watch) return overview.needs_attention ? ExitCode::kNeedsAttention : ExitCode::kOk;
    sleep_unless_stopped(1s, {});
  }
}

}  // namespace skymoor::client
