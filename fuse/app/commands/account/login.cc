#include "fuse/app/account/enrolment.h"
#include "fuse/app/account/password_input.h"
#include "fuse/app/account/server_trust.h"
#include "fuse/app/commands/commands.h"
#include "fuse/app/mount/mount_control.h"
#include "fuse/app/mount/offline_store.h"
#include "fuse/app/mount/running_mounts.h"
#include "fuse/app/state/volume_file.h"
#include "fuse/sync/sync_engine.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

/// Whether the feed has told of a volume here that it is a copy, or an older state put back.
Result<bool> was_copied(const Account& account, CommandContext& context) {
  for (const LocalVolume& volume : TRY(local_volumes(context.disk, context.paths)))
    if (volume.device == account.device && SyncEngine::was_copied(context.disk, context.paths.volume(volume.id))) return true;
  return false;
}

/// Which device logs in, and what must not be mounted until it has.
struct Chosen {
  Account account;
  std::vector<UniqueFd> locks;
};

/// Keys of its own. The volumes' states go over to it as they are mounted (`give_to_device`): a mount that starts meanwhile would
/// have the keys of one device and the login of another.
Result<Chosen> as_new_device(Account account, CommandContext& context) {
  TRY(require_unmounted(context.disk, context.paths));
  auto locks = TRY(lock_volumes(context.disk, context.paths));
  Account made = make_device(account.device_name, context.random);
  account.device = made.device;
  account.signing_seed = std::move(made.signing_seed);
  account.sealing_seed = std::move(made.sealing_seed);
  context.console.note("skymoor: this state directory goes on as a new device; what is unsent is sent after the next mount");
  return Chosen{std::move(account), std::move(locks)};
}

/// The device that was here before goes on, with its keys and its unsent changes; otherwise a new one.
Result<Chosen> choose_device(const LoginArguments& arguments, CommandContext& context) {
  auto known = load_account(context.disk, context.paths.account_file());
  if (!known.ok() && known.error().code() != Code::kUnauthenticated) return known.error();
  if (!known.ok() && (arguments.url.empty() || arguments.user.empty()))
    return Error(Code::kInvalidArgument, "nobody was logged in here before: skymoor login URL USER");
  Account account = known.ok() ? std::move(*known) : make_device(arguments.device_name, context.random);
  const std::string url =
      arguments.url.empty() ? account.server_url : TRY(normalize_server_url(arguments.url));
  const std::string user =
      arguments.user.empty() ? account.user_name : TRY(protocol::normalize_user_name(arguments.user));
  if (known.ok() && user != account.user_name)
    return Error(Code::kAlreadyExists, "this state directory belongs to " + account.user_name + " at " +
                                           account.server_url +
                                           ": use another --state-dir, or 'skymoor logout --forget' first");
  account.server_url = url;
  account.user_name = user;
  if (!arguments.device_name.empty()) account.device_name = arguments.device_name;
  if (known.ok() && (arguments.new_device || TRY(was_copied(account, context)))) return as_new_device(std::move(account), context);
  return Chosen{std::move(account), {}};
}

/// What is mounted need not find out by itself that it may come in again. Best effort.
void tell_mounts(CommandContext& context) {
  constexpr std::chrono::seconds kPatience{2};
  const auto mounts = running_mounts(context.disk, context.paths);
  if (!mounts.ok()) return;
  for (const RunningMount& mount : *mounts) (void)control_call(mount.directory, connect_request(), kPatience);
}

/// Two devices with one name are hard to tell apart in conflict names and in 'skymoor devices'. Best effort.
void note_namesakes(const Account& account, CommandContext& context) {
  const auto in = logged_in(context);
  if (!in.ok()) return;
  const auto devices = in->server->account().devices({5s, {}});
  if (!devices.ok()) return;
  for (const auto& info : *devices)
    if (info.device.name == account.device_name && info.device.id != account.device && !info.revoked)
      return context.console.note("skymoor: another device of yours is called '" + account.device_name +
                                  "', too: 'skymoor login --device-name NAME' gives this one another name");
}

}  // namespace

Result<ExitCode> run_command(const LoginArguments& arguments, CommandContext& context) {
  auto [account, locks] = TRY(choose_device(arguments, context));
  account.trust = TRY(establish_trust(account.server_url, {arguments.fingerprint, arguments.trust_first}, account.trust,
                                      context.console));
  const auto password = TRY(read_password(context.console, arguments.password_file, false));
  auto http = TRY(HttpClient::open({.base_url = account.server_url, .trust = account.trust}));
  auto enrolled = TRY(log_in(*http, account, password, context.clock, context.random));
  if (!account.user.is_zero() && account.user != enrolled.user)
    return Error(Code::kUnknownServer, account.server_url + " knows another " + account.user_name +
                                           " than the one this state directory belongs to: use another --state-dir");
  account.user = enrolled.user;
  account.user_key = std::move(enrolled.user_key);
  TRY(make_private_directory(context.disk, context.paths.state));
  FileSessionStore store(context.disk, context.paths.session_file(), context.paths.session_lock());
  TRY(store.replace(enrolled.tokens, {}));
  TRY(save_account(context.disk, context.paths.account_file(), account));
  tell_mounts(context);
  note_namesakes(account, context);
  context.console.say("Logged in as " + account.user_name + " at " + account.server_url + "; this device is '" +
                      account.device_name + "'.");
  context.console.result(protocol::dump({{"ok", true},
                                         {"user", account.user_name},
                                         {"user_id", account.user.hex()},
                                         {"server", account.server_url},
                                         {"fingerprint", account.trust.fingerprint},
                                         {"device", account.device_name},
                                         {"device_id", account.device.hex()}}));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
