// The command line of `skymoord`. The only file that sees CLI11.
#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>

#include "backend-server/app/commands.h"
#include "backend-server/app/server_settings.h"
#include "shared/base/wrong_usage.h"
#include "skymoor_version.h"

namespace skymoor::server {
namespace {

std::string help_of(const Setting& setting) {
  std::string text(setting.doc);
  if (!setting.choices.empty()) text += " (" + std::string(setting.choices) + ")";
  if (!setting.default_value.empty()) text += " [" + std::string(setting.default_value) + "]";
  return text;
}

void add_setting(CLI::App& command, const Setting& setting, GivenSettings& given) {
  std::string name(setting.name);
  auto take = [&given, name](const std::string& value) { given.values.emplace_back(name, value); };
  std::string flag = "--" + name;
  if (setting.type == SettingType::kBool) {
    command.add_flag(
               flag + ",!--no-" + name,
               [take](std::int64_t count) { take(count > 0 ? "true" : "false"); }, help_of(setting))
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return;
  }
  command.add_option_function<std::string>(flag, take, help_of(setting))->type_name("VALUE");
}

void add_config_file(CLI::App& command, GivenSettings& given) {
  command.add_option("--config", given.config_file, "TOML file of settings; see `skymoord config`")->type_name("FILE");
}

void add_data(CLI::App& command, GivenSettings& given) {
  add_config_file(command, given);
  add_setting(command, server_settings_table().front(), given);
}

/// What the command line chose to do.
using Chosen = std::function<ExitCode()>;

void declare_serve(CLI::App& app, ServeArguments& arguments, Chosen& chosen) {
  CLI::App* serve = app.add_subcommand("serve", "run the server in the foreground");
  add_config_file(*serve, arguments.settings);
  serve->add_option("--port-file", arguments.port_file, "write the port here once the server answers")
      ->type_name("FILE");
  for (const Setting& setting : server_settings_table()) add_setting(*serve, setting, arguments.settings);
  serve->footer(
      "Stops on SIGTERM and SIGINT after running requests are done (10 s at most); a second signal ends it at once.\n"
      "Settings on the command line win over those of the file.");
  serve->callback([&] { chosen = [&] { return run_serve(arguments); }; });
}

void declare_admin_action(CLI::App& parent, const char* name, const char* help, AdminAction action, bool takes_user,
                          AdminArguments& arguments, Chosen& chosen) {
  CLI::App* command = parent.add_subcommand(name, help);
  add_data(*command, arguments.settings);
  command->add_flag("--json", arguments.json, "print JSON");
  if (std::string_view(name) == "ls") command->alias("list");
  if (takes_user) command->add_option("NAME", arguments.user, "user name")->required();
  auto revoke = std::make_shared<bool>(false);
  if (action == AdminAction::kGrantAdmin) command->add_flag("--revoke", *revoke, "take the right away again");
  command->callback([&, action, revoke] {
    arguments.action = *revoke ? AdminAction::kRevokeAdmin : action;
    chosen = [&] { return run_admin(arguments); };
  });
}

void declare_admin(CLI::App& app, AdminArguments& arguments, Chosen& chosen) {
  CLI::App* admin = app.add_subcommand("admin", "look after accounts and volumes, on the server's own machine");
  admin->require_subcommand(1);
  CLI::App* user = admin->add_subcommand("user", "accounts");
  user->require_subcommand(1);
  auto user_action = [&](const char* name, const char* help, AdminAction action, bool takes_user) {
    declare_admin_action(*user, name, help, action, takes_user, arguments, chosen);
  };
  user_action("ls", "list all accounts", AdminAction::kListUsers, false);
  user_action("disable", "refuse a user's logins and tokens; nothing is deleted", AdminAction::kDisable, true);
  user_action("enable", "let a disabled user in again", AdminAction::kEnable, true);
  user_action("admin", "make a user an administrator", AdminAction::kGrantAdmin, true);
  CLI::App* volume = admin->add_subcommand("volume", "volumes");
  volume->require_subcommand(1);
  declare_admin_action(*volume, "ls", "list all volumes", AdminAction::kListVolumes, false, arguments, chosen);
}

void declare_fsck(CLI::App& app, FsckArguments& arguments, Chosen& chosen) {
  CLI::App* fsck = app.add_subcommand("fsck", "check everything that a stopped server keeps");
  add_data(*fsck, arguments.settings);
  fsck->add_flag("--repair", arguments.repair, "put counts and sums right; nothing that names data is removed");
  fsck->add_flag("--json", arguments.json, "print JSON");
  fsck->footer(
      "Reads every block, every version and every commit. Opens the data as a start of the server does (a torn last record\n"
      "of the block store is cut off). Damaged and missing blocks are named; devices that have their bytes can give them back.");
  fsck->callback([&] { chosen = [&] { return run_fsck(arguments); }; });
}

void declare_backup(CLI::App& app, BackupArguments& arguments, Chosen& chosen) {
  CLI::App* backup = app.add_subcommand("backup", "copy everything that a server keeps, also while it runs");
  add_data(*backup, arguments.settings);
  backup->add_option("--to", arguments.to, "directory for the copy; one that was made before is made up to date")
      ->required()->type_name("DIR")
      ->check(CLI::Validator([](std::string& text) { return std::string(text.empty() ? "is empty" : ""); }, ""));
  backup->add_flag("--without-login-secrets", arguments.without_login_secrets,
                   "leave keyservice.* out: who has the copy cannot test passwords with it");
  backup->add_flag("--json", arguments.json, "print JSON");
  backup->footer(
      "The copy is a data directory of one moment. To go back to it, stop the server, put the copy in the place of its data\n"
      "directory, and start it: devices notice, and give back what they still have of what came after. `skymoord fsck --data DIR`\n"
      "checks a copy. Each backup after the first copies only the blocks that are new.");
  backup->callback([&] { chosen = [&] { return run_backup(arguments); }; });
}

/// As CLI11's own, without its "{false}" behind the name that switches a flag off.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    if (const auto off = name.find("{false}"); off != name.npos) name.erase(off, 7);
    return name;
  }
};

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  try {
    CLI::App app(
        "skymoord: the Skymoor server. Keeps accounts, metadata and sealed blocks, and tells devices what changed.",
        "skymoord");
    app.formatter(std::make_shared<HelpFormatter>());
    app.require_subcommand(1);
    app.footer(kExitCodeHelp);
    app.set_version_flag("--version", "skymoord " SKYMOOR_VERSION, "show the version");
    Chosen chosen;
    ServeArguments serve;
    AdminArguments admin;
    FsckArguments fsck;
    BackupArguments backup;
    FingerprintArguments fingerprint;
    declare_serve(app, serve, chosen);
    declare_admin(app, admin, chosen);
    declare_fsck(app, fsck, chosen);
    declare_backup(app, backup, chosen);
    CLI::App* print = app.add_subcommand("fingerprint", "print the fingerprint of the server's certificate");
    add_data(*print, fingerprint.settings);
    print->add_flag("--json", fingerprint.json, "print JSON");
    print->callback([&] { chosen = [&] { return run_fingerprint(fingerprint); }; });
    app.add_subcommand("config", "print a settings file with every setting at its default")->callback([&] {
      chosen = run_config;
    });
    VersionArguments version;
    CLI::App* tell = app.add_subcommand("version", "print the version");
    tell->add_flag("--json", version.json, "print JSON");
    tell->callback([&] { chosen = [&] { return run_version(version); }; });
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    if (words.empty()) std::fputs(app.help().c_str(), stderr);
    if (words.empty()) return static_cast<int>(ExitCode::kUsage);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      if (e.get_exit_code() == 0) return app.exit(e);
      std::fputs(wrong_usage(app, words, e).c_str(), stderr);
      return static_cast<int>(ExitCode::kUsage);
    }
    return static_cast<int>(chosen());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "skymoord: %s\n", e.what());
    return static_cast<int>(ExitCode::kFailure);
  }
}

ExitCode report(const Error& error) {
  std::fprintf(stderr, "skymoord: %s\n", error.to_string().c_str());
  return error.code() == Code::kInvalidArgument ? ExitCode::kUsage : ExitCode::kFailure;
}

}  // namespace skymoor::server
