#include "fuse/app/care/content_check.h"
#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/offline_store.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

std::string what_to_do(const LocalVolume& volume, const StatePaths& paths) {
  return "What the server has is not affected. To start anew from it, move " + paths.metadata(volume.id) + " and " +
         paths.volume(volume.id) + "/backing away (files in backing hold data that may not have been sent) and mount again.";
}

struct VolumeFindings {
  std::vector<std::string> problems;          ///< that stay
  std::vector<std::string> repaired;
};

Status check_bytes(OfflineStore& opened, const LocalVolume& volume, const FsckArguments& arguments, VolumeFindings& found) {
  ContentCheckOptions options;
  options.repair = arguments.repair;
  if (arguments.deep) {
    if (volume.key.seed.empty())
      return Error(Code::kUnauthenticated, "--deep needs the volume's key: 'skymoor login' first");
    options.deep = &volume.key;
  }
  for (ContentFinding& finding : TRY(check_contents(opened, options)))
    (finding.repaired ? found.repaired : found.problems)
        .push_back(finding.what + (finding.repairable && !finding.repaired ? " (--repair fetches them again)" : ""));
  return {};
}

/// Damage found by opening is a finding like any other.
Result<VolumeFindings> problems_of(const LocalVolume& volume, const FsckArguments& arguments, CommandContext& context) {
  VolumeFindings found;
  auto lock = lock_volume(context.paths, volume.id);
  if (!lock.ok() && lock.error().code() == Code::kBusy)
    return Error(Code::kBusy, "volume '" + volume.label + "' is mounted (or just closing): 'skymoor umount DIR' first; 'skymoor " +
                                  "status' says where it is");
  if (!lock.ok()) return lock.error().wrap("volume '" + volume.label + "' cannot be checked");
  auto opened = open_offline(context.disk, context.clock, context.paths, volume);
  if (opened.ok()) {
    auto problems = opened->store->check();
    if (!problems.ok() && problems.error().code() == Code::kCorrupt) {
      found.problems.push_back(context.paths.metadata(volume.id) + "/metadata.db: " + problems.error().to_string());
      return found;
    }
    found.problems = TRY(std::move(problems));
    TRY(check_bytes(*opened, volume, arguments, found));
    TRY(opened->store->close());
    return found;
  }
  if (opened.error().code() == Code::kCorrupt) {
    found.problems.push_back(opened.error().to_string());
    return found;
  }
  if (opened.error().code() == Code::kNotFound) return found;
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
  std::size_t busy = 0;
  for (const Error& error : damaged) {
    context.console.say(error.message());
    list.push_back({{"volume", nullptr}, {"problems", {error.message()}}});
  }
  for (const LocalVolume& volume : volumes) {
    auto findings = problems_of(volume, arguments, context);
    if (!findings.ok() && findings.error().code() == Code::kBusy && volumes.size() > 1) {   // the others can be looked at
      context.console.say("Volume '" + volume.label + "': not checked, for it is mounted");
      list.push_back({{"volume", volume.label}, {"id", volume.id.hex()}, {"checked", false}, {"problems", protocol::Json::array()},
                      {"repaired", protocol::Json::array()}});
      if (++busy == volumes.size()) return findings.error();
      continue;
    }
    const auto [problems, repaired] = TRY(std::move(findings));
    list.push_back({{"volume", volume.label}, {"id", volume.id.hex()}, {"problems", problems}, {"repaired", repaired}});
    clean &= problems.empty();
    context.console.say("Volume '" + volume.label + "': " +
                        (!problems.empty()  ? std::to_string(problems.size()) + " problems"
                         : repaired.empty() ? "in order"
                                            : "in order again"));
    for (const std::string& problem : problems) context.console.say("  " + problem);
    for (const std::string& what : repaired) context.console.say("  repaired: " + what);
    if (!problems.empty()) context.console.say(what_to_do(volume, context.paths));
  }
  if (list.empty()) context.console.say("There is no local state of any volume.");
  context.console.result(protocol::dump({{"clean", clean}, {"volumes", list}}));
  if (!clean) return ExitCode::kNeedsAttention;
  return busy == 0 ? ExitCode::kOk : ExitCode::kBusy;   // not all of it was looked at
}

}  // namespace skymoor::client
