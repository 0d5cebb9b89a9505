#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/offline_store.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

std::string what_to_do(const LocalVolume& volume, const StatePaths& paths) {
  return "What the server has is not affected. To start anew from it, move " + paths.metadata(volume.id) + " and " +
         paths.volume(volume.id) + "/backing away (files in backing hold data that may not have been sent) and mount again.";
}

/// Damage found by opening is a finding like any other.
Result<std::vector<std::string>> problems_of(const LocalVolume& volume, CommandContext& context) {
  auto opened = open_offline(context.disk, context.clock, context.paths, volume);
  if (opened.ok()) {
    auto problems = opened->store->check();
    if (problems.ok() || problems.error().code() != Code::kCorrupt) return problems;
    return std::vector<std::string>{context.paths.metadata(volume.id) + "/metadata.db: " + problems.error().to_string()};
  }
  if (opened.error().code() == Code::kCorrupt) return std::vector<std::string>{opened.error().to_string()};
  if (opened.error().code() == Code::kNotFound) return std::vector<std::string>{};
  if (opened.error().code() == Code::kBusy)
    return Error(Code::kBusy, "volume '" + volume.label + "' is mounted (or just closing): 'skymoor umount DIR' first; 'skymoor " +
                                  "status' says where it is");
  return opened.error().wrap("volume '" + volume.label + "' cannot be checked");
}

}  // namespace

Result<ExitCode> run_command(const FsckArguments& arguments, CommandContext& context) {
  std::vector<Error> damaged;
  std::vector<LocalVolume> volumes;
  if (arguments.volume.empty())
    volumes = TRY(local_volumes(context.disk, context.paths, &damaged));
  else
    volumes.push_back(TRY(find_local_volume(context.disk, context.paths, arguments.volume)));

  protocol::Json list = protocol::Json::array();
  bool clean = damaged.empty();
  for (const Error& error : damaged) {
    context.console.say(error.message());
    list.push_back({{"volume", nullptr}, {"problems", {error.message()}}});
  }
  for (const LocalVolume& volume : volumes) {
    const auto problems = TRY(problems_of(volume, context));
    list.push_back({{"volume", volume.label}, {"id", volume.id.hex()}, {"problems", problems}});
    clean &= problems.empty();
    context.console.say("Volume '" + volume.label + "': " +
                        (problems.empty() ? "in order" : std::to_string(problems.size()) + " problems"));
    for (const std::string& problem : problems) context.console.say("  " + problem);
    if (!problems.empty()) context.console.say(what_to_do(volume, context.paths));
  }
  if (list.empty()) context.console.say("There is no local state of any volume.");
  context.console.result(protocol::dump({{"clean", clean}, {"volumes", list}}));
  return clean ? ExitCode::kOk : ExitCode::kNeedsAttention;
}

}  // namespace skymoor::client
