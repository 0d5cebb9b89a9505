#include "fuse/app/account/volume_keys.h"
#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_status.h"
#include "shared/base/settings.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

const char* name_of(protocol::Role role) {
  switch (role) {
    case protocol::Role::kReader: return "reader";
    case protocol::Role::kWriter: return "writer";
    case protocol::Role::kOwner: return "owner";
  }
  return "unknown";
}
const char* name_of(protocol::VolumeKind kind) { return kind == protocol::VolumeKind::kManaged ? "managed" : "private"; }

protocol::Json to_json(const ListedVolume& volume) {
  const protocol::VolumeInfo& info = volume.info;
  return {{"name", volume.label.empty() ? protocol::Json() : protocol::Json(volume.label)},
          {"id", info.id.hex()},
          {"kind", name_of(info.kind)},
          {"role", name_of(info.role)},
          {"sequence", info.head.value},
          {"inodes", info.inodes},
          {"content_bytes", info.content_bytes},
          {"stored_bytes", info.stored_bytes},
          {"quota_bytes", info.quota_bytes},
          {"free_bytes", info.free_bytes},
          {"created", format_time(info.created)}};
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string line_of(const ListedVolume& volume) {
  const std::string name = volume.label.empty() ? "(" + volume.why_closed + ")" : volume.label;
  return padded(name, 24) + "  " + padded(name_of(volume.info.kind), 8) + padded(name_of(volume.info.role), 8) +
         padded(format_bytes(volume.info.content_bytes), 11) + volume.info.id.hex();
}

}  // namespace

Result<ExitCode> run_command(const VolumeCreateArguments& arguments, CommandContext& context) {
  auto in = TRY(logged_in(context));
  const auto kind = arguments.managed ? protocol::VolumeKind::kManaged : protocol::VolumeKind::kPrivate;
  const ListedVolume volume = TRY(create_volume(in.server->account(), in.account, arguments.name, kind, context.random, {}));
  context.console.say("Volume '" + volume.label + "' made. Mount it: skymoor mount " + volume.label + " DIR");
  context.console.result(protocol::dump(to_json(volume)));
  return ExitCode::kOk;
}

Result<ExitCode> run_command(const VolumeListArguments&, CommandContext& context) {
  auto in = TRY(logged_in(context));
  protocol::Json list = protocol::Json::array();
  const auto volumes = TRY(list_volumes(in.server->account(), in.account, {}));
  for (const ListedVolume& volume : volumes) {
    list.push_back(to_json(volume));
    context.console.say(line_of(volume));
  }
  if (volumes.empty()) context.console.say("No volumes yet: skymoor volume create NAME");
  context.console.result(protocol::dump({{"volumes", list}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
