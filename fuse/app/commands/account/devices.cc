#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_status.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

protocol::Json to_json(const protocol::DeviceInfo& info, const Account& account) {
  return {{"name", info.device.name},
          {"id", info.device.id.hex()},
          {"this_device", info.device.id == account.device},
          {"created", format_time(info.created)},
          {"last_seen", format_time(info.last_seen)},
          {"revoked", info.revoked}};
}

std::string line_of(const protocol::DeviceInfo& info, const Account& account) {
  return info.device.id.hex() + "  " + info.device.name + (info.device.id == account.device ? " (this one)" : "") +
         (info.revoked ? "  revoked" : "  last seen " + format_time(info.last_seen));
}

Result<DeviceId> choose(const std::vector<protocol::DeviceInfo>& devices, const Account& account, const std::string& wanted) {
  std::vector<const protocol::DeviceInfo*> matches;
  for (const auto& info : devices)
    if (info.device.id.hex() == wanted || (info.device.name == wanted && !info.revoked)) matches.push_back(&info);
  if (matches.size() == 1) return matches.front()->device.id;
  if (matches.empty()) return Error(Code::kNotFound, "there is no device '" + wanted + "': see 'skymoor devices ls'");
  std::string ids;
  for (const auto* info : matches) ids += "\n  " + line_of(*info, account);
  return Error(Code::kInvalidArgument, "several devices are called '" + wanted + "': name one by its id" + ids);
}

}  // namespace

Result<ExitCode> run_command(const DevicesListArguments&, CommandContext& context) {
  auto in = TRY(logged_in(context));
  protocol::Json list = protocol::Json::array();
  for (const auto& info : TRY(in.server->account().devices({}))) {
    list.push_back(to_json(info, in.account));
    context.console.say(line_of(info, in.account));
  }
  context.console.result(protocol::dump({{"devices", list}}));
  return ExitCode::kOk;
}

Result<ExitCode> run_command(const DevicesRevokeArguments& arguments, CommandContext& context) {
  auto in = TRY(logged_in(context));
  const auto devices = TRY(in.server->account().devices({}));
  const DeviceId device = TRY(choose(devices, in.account, arguments.device));
  TRY(in.server->account().revoke_device(device, {}));
  context.console.say("Device " + device.hex() + " is revoked. What it fetched before stays readable to it.");
  if (device == in.account.device) context.console.note("That was this device: it is logged out now.");
  context.console.result(protocol::dump({{"ok", true}, {"id", device.hex()}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
