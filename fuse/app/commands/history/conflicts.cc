#include <sys/xattr.h>

#include <filesystem>

#include "fuse/app/commands/commands.h"
#include "fuse/app/conflicts/conflict_copy.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/volume_file.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::milliseconds kPatience{60'000};

/// Whether this state directory made the copy.
bool is_mine(const ConflictCopy& copy, const LocalVolume& volume) { return copy.name.writer == volume.writer; }

Result<LocalVolume> volume_of(const RunningMount& mount, CommandContext& context) {
  const auto id = TRY(VolumeId::from_hex(std::filesystem::path(mount.directory).filename().string()));
  return load_volume(context.disk, context.paths, id);
}

Result<ConflictSide> side_of(const std::string& keep, const ConflictCopy& copy, const LocalVolume& volume) {
  if (keep == "both") return ConflictSide::kBoth;
  if (keep == "copy" || keep == "original") return keep == "copy" ? ConflictSide::kCopy : ConflictSide::kOriginal;
  return (keep == "mine") == is_mine(copy, volume) ? ConflictSide::kCopy : ConflictSide::kOriginal;
}

/// The copy that is named, or the only one of the file that is.
Result<ConflictCopy> find_copy(const std::string& path) {
  std::error_code failed;
  const auto full = std::filesystem::absolute(path, failed).lexically_normal();
  if (auto name = parse_conflict_name(full.filename().string())) {
    if (std::filesystem::exists(std::filesystem::symlink_status(full, failed))) return ConflictCopy{full.string(), *std::move(name)};
    return Error(Code::kNotFound, full.string() + " is not there");
  }
  std::vector<ConflictCopy> copies;
  for (std::filesystem::directory_iterator entry(full.parent_path(), failed), end; !failed && entry != end; entry.increment(failed))
    if (auto name = parse_conflict_name(entry->path().filename().string()); name && name->original == full.filename())
      copies.push_back({entry->path().string(), *std::move(name)});
  if (failed) return Error::from_errno(failed.value(), full.parent_path().string());
  if (copies.size() == 1) return std::move(copies.front());
  if (copies.empty()) return Error(Code::kNotFound, full.string() + " is no conflict copy, and has none");
  std::string all;
  for (const ConflictCopy& copy : copies) all += "\n  " + copy.path;
  return Error(Code::kInvalidArgument, full.string() + " has several conflict copies; name one:" + all);
}

/// A file that goes must be at the server, so that it can be restored.
Status hold_at_server(const std::string& path, const RunningMount& mount, std::chrono::milliseconds patience) {
  char state[64] = {};
  const ssize_t size = ::lgetxattr(path.c_str(), "user.skymoor.state", state, sizeof state);
  const std::string_view text(state, size > 0 ? static_cast<std::size_t>(size) : 0);
  if (text == "synced" || text == "conflict" || text == "remote-only") return {};
  Status held = sync_mount(mount.directory, patience);
  if (held.ok()) return {};
  return held.error().wrap(path + " is not at the server yet and would be lost, so nothing was done");
}

}  // namespace

Result<ExitCode> run_command(const ConflictsListArguments& arguments, CommandContext& context) {
  std::vector<std::pair<RunningMount, std::string>> places;
  if (arguments.path.empty()) {
    for (RunningMount& mount : TRY(running_mounts(context.disk, context.paths))) {
      if (!mount.attached) continue;
      std::string at = mount.mount_point;
      places.emplace_back(std::move(mount), std::move(at));
    }
  } else {
    places.emplace_back(TRY(find_running_mount(context.disk, context.paths, arguments.path)),
                        std::filesystem::absolute(arguments.path).lexically_normal().string());
  }
  protocol::Json list = protocol::Json::array();
  bool complete = true;
  for (const auto& [mount, path] : places) {
    const LocalVolume volume = TRY(volume_of(mount, context));
    for (const ConflictCopy& copy : find_conflicts(path, [&](const Error& error) {
           complete = false;
           context.console.note("not looked into: " + error.message());
         })) {
      list.push_back({{"path", copy.path},
                      {"original", copy.original_path()},
                      {"device", copy.name.device},
                      {"date", copy.name.date},
                      {"this_device", is_mine(copy, volume)}});
      context.console.say(copy.path + "\n  of " + copy.original_path() + ", from " + copy.name.device +
                          (is_mine(copy, volume) ? " (this device)" : "") + ", " + copy.name.date);
    }
  }
  if (places.empty()) context.console.say("Nothing is mounted: no place to look for conflict copies.");
  else if (list.empty()) context.console.say("There are no conflict copies.");
  context.console.result(protocol::dump({{"conflicts", list}, {"complete", complete}}));
  return complete ? ExitCode::kOk : ExitCode::kFailure;
}

Result<ExitCode> run_command(const ConflictsResolveArguments& arguments, CommandContext& context) {
  const RunningMount mount = TRY(find_running_mount(context.disk, context.paths, arguments.path));
  const LocalVolume volume = TRY(volume_of(mount, context));
  const ConflictCopy copy = TRY(find_copy(arguments.path));
  const ConflictSide keep = TRY(side_of(arguments.keep, copy, volume));
  const std::string kept = TRY(resolve_conflict(copy, keep, mount.directory, [&](const std::string& path) {
    return hold_at_server(path, mount, arguments.timeout.value_or(kPatience));
  }));
  context.console.say(kept.empty() ? copy.original_path() + " stays; the copy is deleted ('skymoor restore' brings it back)."
                      : keep == ConflictSide::kBoth ? "Both stay; the copy is " + kept + " now."
                                                    : kept + " is what the copy was; 'skymoor versions' lists what it replaced.");
  context.console.result(protocol::dump({{"ok", true},
                                         {"copy", copy.path},
                                         {"original", copy.original_path()},
                                         {"kept_as", kept.empty() ? protocol::Json() : protocol::Json(kept)}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
