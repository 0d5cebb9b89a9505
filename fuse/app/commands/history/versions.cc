#include "fuse/app/commands/commands.h"
#include "fuse/app/history/volume_history.h"
#include "fuse/app/mount/mount_status.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

protocol::Json to_json(const PathVersion& v) {
  return {{"version", v.id},
          {"current", v.current},
          {"deleted", v.deleted ? protocol::Json(format_time(*v.deleted)) : protocol::Json()},
          {"size", v.record.size},
          {"modified", format_time(v.record.mtime)},
          {"stored", format_time(v.record.stored)},
          {"device", v.device},
          {"device_id", v.record.device.hex()}};
}

std::string line_of(const PathVersion& v) {
  std::string line = v.id;
  line.resize(std::max<std::size_t>(line.size(), 8), ' ');
  line += "  " + format_time(v.record.stored) + "  " + format_bytes(v.record.size);
  if (!v.device.empty()) line += "  from " + v.device;
  if (v.current) line += "  (current)";
  if (v.deleted) line += "  (its file was deleted or replaced " + format_time(*v.deleted) + ")";
  return line;
}

protocol::Json to_json(const DeletedEntry& entry) {
  static constexpr const char* kTypes[] = {"", "file", "directory", "symlink", "fifo", "socket", "character device", "block device"};
  return {{"name", entry.name},
          {"type", kTypes[static_cast<std::size_t>(entry.inode.attributes.type)]},
          {"size", entry.inode.attributes.size},
          {"deleted", format_time(entry.time)},
          {"inode", entry.inode.inode.value}};
}

/// Of the directory at a place, the place's own or one that was deleted there.
Result<InodeId> directory_at(VolumeHistory& history, const HistoryPlace& place) {
  if (place.now && S_ISDIR(place.now->st_mode)) return InodeId{place.now->st_ino};
  if (!place.now)
    for (const DeletedEntry& entry : TRY(history.deleted(place.directory, place.name)))
      if (entry.inode.attributes.type == FileType::kDirectory) return entry.inode.inode;
  return Error(Code::kNotFound, place.path + " is no directory, and the server keeps no deleted one of that name");
}

/// The server tells of what it has.
void note_unsent(const VolumeHistory& history, CommandContext& context) {
  if (history.mount().unsent > 0)
    context.console.note("Changes that are not sent yet are left out ('skymoor sync " + history.mount().mount_point + "' sends them).");
}

}  // namespace

Result<ExitCode> run_command(const VersionsArguments& arguments, CommandContext& context) {
  auto history = TRY(VolumeHistory::open(context, arguments.path));
  const HistoryPlace place = TRY(history->find(arguments.path));
  if (place.now && S_ISDIR(place.now->st_mode))
    return Error(Code::kInvalidArgument, place.path + " is a directory; 'skymoor trash " + arguments.path +
                                             "' lists what was deleted from it");
  bool more = false;
  const auto versions = TRY(history->versions(place, &more));
  note_unsent(*history, context);
  if (versions.empty() && !place.now)
    return Error(Code::kNotFound, "the server keeps nothing under " + place.path);
  protocol::Json list = protocol::Json::array();
  for (const PathVersion& v : versions) {
    list.push_back(to_json(v));
    context.console.say(line_of(v));
  }
  if (versions.empty()) context.console.say("The server has no version of " + place.path + " yet.");
  if (more) context.console.note("Older files of that name are left out.");
  context.console.result(protocol::dump({{"path", place.path}, {"versions", list}, {"complete", !more}}));
  return ExitCode::kOk;
}

Result<ExitCode> run_command(const TrashArguments& arguments, CommandContext& context) {
  auto history = TRY(VolumeHistory::open(context, arguments.directory));
  const HistoryPlace place = TRY(history->find(arguments.directory));
  bool more = false;
  const InodeId directory = TRY(directory_at(*history, place));
  const auto entries = TRY(history->deleted(directory, {}, &more));
  protocol::Json list = protocol::Json::array();
  for (const DeletedEntry& entry : entries) {
    list.push_back(to_json(entry));
    const bool is_directory = entry.inode.attributes.type == FileType::kDirectory;
    context.console.say(format_time(entry.time) + "  " + entry.name +
                        (is_directory ? "/" : "  " + format_bytes(entry.inode.attributes.size)));
  }
  if (entries.empty()) context.console.say("Nothing was deleted from " + place.path + ".");
  note_unsent(*history, context);
  if (more) context.console.note("There is more; name what you look for: 'skymoor versions DIR/NAME'.");
  context.console.result(protocol::dump({{"path", place.path}, {"entries", list}, {"complete", !more}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
