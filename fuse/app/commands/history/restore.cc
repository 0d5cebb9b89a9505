#include "fuse/app/commands/commands.h"
#include "fuse/app/history/restorer.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/mount_status.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::milliseconds kPatience{60'000};

/// As it was shown, to the second.
bool is_stored_by(const VersionRecord& record, Timestamp at) {
  return std::chrono::floor<std::chrono::seconds>(record.stored) <= at;
}

/// The one that was named, or the newest one before the present one.
Result<const PathVersion*> choose(const RestoreArguments& arguments, const HistoryPlace& place,
                                  const std::vector<PathVersion>& versions, Timestamp now) {
  if (!arguments.version.empty()) {
    for (const PathVersion& v : versions)
      if (v.id == arguments.version) return &v;
    return Error(Code::kNotFound, place.path + " has no version '" + arguments.version + "': 'skymoor versions' lists them");
  }
  if (!arguments.at.empty()) {
    const Timestamp at = TRY(parse_point_in_time(arguments.at, now));
    for (const PathVersion& v : versions)
      if (is_stored_by(v.record, at)) return &v;
    return Error(Code::kNotFound, "the server keeps no version of " + place.path + " from " + format_time(at) + " or before");
  }
  for (const PathVersion& v : versions)
    if (!v.current) return &v;
  return Error(Code::kNotFound, place.path + " has no older version");
}

/// The server knows of a deletion once it was sent. What was deleted under that name before would be another file.
Status send_deletion(const RunningMount& mount, const std::string& path, std::chrono::milliseconds patience) {
  struct stat ignored = {};
  if (mount.unsent == 0 || ::lstat(path.c_str(), &ignored) == 0) return {};
  Status sent = mount.online ? sync_mount(mount.directory, patience) : Status(Error(Code::kOffline, "the server is not reached"));
  if (sent.ok()) return {};
  return sent.error().wrap("nothing was restored: the deletion of " + path + " may be among the " + std::to_string(mount.unsent) +
                           " changes that are not sent yet (--timeout waits longer, --version or --at name what there is)");
}

Status restore_deleted(VolumeHistory& history, Restorer& restorer, const HistoryPlace& place, const std::string& to, bool all) {
  const auto entries = TRY(history.deleted(place.directory, place.name));
  if (entries.empty()) return Error(Code::kNotFound, "the server keeps nothing under " + place.path);
  return restorer.deleted_entry(to, entries.front(), all);
}

/// What was deleted as a directory has no versions.
Status refuse_directory(VolumeHistory& history, const HistoryPlace& place) {
  for (const DeletedEntry& entry : TRY(history.deleted(place.directory, place.name)))
    if (entry.inode.attributes.type == FileType::kDirectory)
      return Error(Code::kInvalidArgument, place.path + " was a directory, and --version and --at are for files: restore it as it "
                                                        "was, or its files by their own names");
  return {};
}

/// A file that is replaced: what is in it now has to be among the versions first.
bool replaces(const HistoryPlace& place, const RestoreArguments& arguments) {
  return place.now && S_ISREG(place.now->st_mode) && arguments.to.empty();
}

Status restore_version(Restorer& restorer, const HistoryPlace& place, const PathVersion& version,
                       const RestoreArguments& arguments) {
  if (!arguments.to.empty()) return restorer.new_file(arguments.to, version.inode, &version.record);
  if (!place.now) return restorer.new_file(place.path, version.inode, &version.record);
  if (replaces(place, arguments)) return restorer.over_file(place, version);
  return Error(Code::kAlreadyExists, place.path + " is no file now: give the restored one another name with --to");
}

}  // namespace

Result<ExitCode> run_command(const RestoreArguments& arguments, CommandContext& context) {
  auto history = TRY(VolumeHistory::open(context, arguments.path));
  if (history->volume().role == protocol::Role::kReader && arguments.to.empty())
    return Error(Code::kReadOnly, "your role in this volume is read-only: give --to a place elsewhere");
  const auto patience = arguments.timeout.value_or(kPatience);
  if (arguments.version.empty() && arguments.at.empty()) TRY(send_deletion(history->mount(), arguments.path, patience));
  const HistoryPlace place = TRY(history->find(arguments.path));
  const bool named = !arguments.version.empty() || !arguments.at.empty();
  const bool other_kind = place.now && !S_ISREG(place.now->st_mode);   // than what has versions
  if (other_kind && arguments.to.empty() && !S_ISDIR(place.now->st_mode))
    return Error(Code::kInvalidArgument, place.path + " is there, and no file: what had its name before can be restored with --to");
  if (place.now && S_ISDIR(place.now->st_mode) && (named || arguments.to.empty()))
    return Error(Code::kInvalidArgument, place.path + " is a directory; name what was deleted from it ('skymoor trash " +
                                             arguments.path + "' lists that), or give --to for what had its name before");
  Restorer restorer(*history, context);
  const std::string to = arguments.to.empty() ? place.path : arguments.to;
  std::vector<PathVersion> versions;
  const PathVersion* version = nullptr;
  if ((!place.now || other_kind) && !named) {
    TRY(restore_deleted(*history, restorer, place, to, arguments.all));
  } else {
    versions = TRY(history->versions(place));   // a server that is away is told of at once
    if (replaces(place, arguments)) {
      TRY(restorer.hold(place, patience));
      versions = TRY(history->versions(place));
    }
    if (versions.empty() && !place.now) TRY(refuse_directory(*history, place));
    version = TRY(choose(arguments, place, versions, context.clock.now()));
    TRY(restore_version(restorer, place, *version, arguments));
  }
  context.console.say(to + (version ? " holds version " + version->id + " of " + format_time(version->record.stored) + "."
                                    : ": " + std::to_string(restorer.made()) + " restored."));
  context.console.result(protocol::dump({{"ok", true},
                                         {"path", to},
                                         {"version", version ? protocol::Json(version->id) : protocol::Json()},
                                         {"restored", restorer.made()}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
