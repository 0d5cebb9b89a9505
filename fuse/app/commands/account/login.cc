#include "fuse/app/account/enrolment.h"
#include "fuse/app/account/password_input.h"
#include "fuse/app/account/server_trust.h"
#include "fuse/app/commands/commands.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

/// The device that was here before goes on, with its keys and its unsent changes; otherwise a new one.
Result<Account> choose_device(const LoginArguments& arguments, CommandContext& context) {
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
  return account;
}

}  // namespace

Result<ExitCode> run_command(const LoginArguments& arguments, CommandContext& context) {
  Account account = TRY(choose_device(arguments, context));
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
