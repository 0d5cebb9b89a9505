#include <unistd.h>

#include "fuse/app/account/enrolment.h"
#include "fuse/app/account/password_check.h"
#include "fuse/app/account/password_input.h"
#include "fuse/app/account/server_trust.h"
#include "fuse/app/account/volume_keys.h"
#include "fuse/app/commands/commands.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {
namespace {

constexpr const char* kFirstVolume = "home";
constexpr const char* kRecoveryMeaning =
    "With this code, and only with it, the account's data can be opened when the password is forgotten.\n"
    "Nobody can give you another one, the server's owner neither: write it down and keep it away from this machine.\n"
    "Whoever has it can read everything.";

Status refuse_second_account(CommandContext& context) {
  auto account = load_account(context.disk, context.paths.account_file());
  if (!account.ok()) return account.error().code() == Code::kUnauthenticated ? Status() : Status(account.error());
  return Error(Code::kAlreadyExists, "this device is already logged in as " + account->user_name + " at " +
                                         account->server_url +
                                         ": use another --state-dir, or 'skymoor logout --forget' first");
}

std::string recovery_page(const Account& device, const crypto::RecoveryCode& code) {
  return "Skymoor recovery code of " + device.user_name + " at " + device.server_url + "\n\n  " + code.text() + "\n\n" +
         kRecoveryMeaning + "\n";
}

/// The code must be safe before the account exists.
Status write_recovery_file(CommandContext& context, const std::string& file, const std::string& page) {
  if (file.empty()) return {};
  if (context.disk.exists(file))
    return Error(Code::kAlreadyExists, "recovery file " + file + " exists: it may be another account's; name a new one");
  return write_file_durably(context.disk, file, as_bytes(page), 0600);
}

Status store_login(CommandContext& context, const Account& account, const SessionTokens& tokens) {
  FileSessionStore store(context.disk, context.paths.session_file(), context.paths.session_lock());
  TRY(store.replace(tokens, {}));
  return save_account(context.disk, context.paths.account_file(), account);
}

}  // namespace

Result<ExitCode> run_command(const SignupArguments& arguments, CommandContext& context) {
  TRY(refuse_second_account(context));
  Account account = make_device(arguments.device_name, context.random);
  account.server_url = TRY(normalize_server_url(arguments.url));
  account.user_name = TRY(protocol::normalize_user_name(arguments.user));
  account.trust = TRY(establish_trust(account.server_url, {arguments.fingerprint, arguments.trust_first}, {},
                                      context.console));
  const auto password = TRY(read_password(context.console, arguments.password_file, true));
  TRY(check_password(as_text(password.view()), account.user_name, arguments.allow_weak_password));
  TRY(make_private_directory(context.disk, context.paths.state));

  auto http = TRY(HttpClient::open({.base_url = account.server_url, .trust = account.trust}));
  AccountRemote remote(*http);
  const auto recovery = crypto::RecoveryCode::generate(context.random);
  const std::string page = recovery_page(account, recovery);
  bool file_written = false, file_refused = false;
  auto enrolled = sign_up(remote, account, password, recovery, context.clock, context.random, [&]() -> Status {
    Status written = write_recovery_file(context, arguments.recovery_file, page);
    file_refused = !written.ok();
    if (file_refused) return written;
    file_written = !arguments.recovery_file.empty();
    return {};
  });
  if (!enrolled.ok()) {
    // A refusal made no account. After a lost answer there may be one: its code must stay.
    if (file_written && retry_of(enrolled.error().code()) == Retry::kNever) (void)context.disk.unlink(arguments.recovery_file);
    if (enrolled.error().code() == Code::kAlreadyExists && !file_refused)
      return Error(Code::kAlreadyExists, "there is a user '" + account.user_name + "' at " + account.server_url +
                                             " already: choose another name, or 'skymoor login' if it is you");
    return enrolled.error();
  }
  account.user = enrolled->user;
  account.user_key = std::move(enrolled->user_key);
  if (arguments.recovery_file.empty()) context.console.say(page);
  TRY(store_login(context, account, enrolled->tokens));

  protocol::Json result = {{"ok", true},
                           {"user", account.user_name},
                           {"user_id", account.user.hex()},
                           {"server", account.server_url},
                           {"fingerprint", account.trust.fingerprint},
                           {"device", account.device_name},
                           {"device_id", account.device.hex()}};
  if (arguments.recovery_file.empty())
    result["recovery_code"] = recovery.text();
  else
    result["recovery_file"] = arguments.recovery_file;
  context.console.say("Account " + account.user_name + " made; this device is '" + account.device_name + "'.");
  if (!arguments.recovery_file.empty())
    context.console.say("The recovery code is in " + arguments.recovery_file + ". " + kRecoveryMeaning);
  if (!arguments.no_volume) {
    auto server = TRY(ServerConnection::open(context.disk, context.clock, context.paths, account));
    const auto volume = TRY(create_volume(server->account(), account, kFirstVolume, protocol::VolumeKind::kPrivate,
                                          context.random, {}));
    result["volume"] = {{"name", volume.label}, {"id", volume.info.id.hex()}};
    context.console.say("Volume 'home' made. Mount it: mkdir -p ~/drive && skymoor mount home ~/drive");
  } else {
    context.console.say("Next: skymoor volume create NAME");
  }
  context.console.result(protocol::dump(result));
  return ExitCode::kOk;
}

}  // namespace skymoor::client
