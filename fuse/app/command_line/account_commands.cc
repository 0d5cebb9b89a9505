#include "fuse/app/command_line/declare.h"

namespace skymoor::client {
namespace {

void add_trust_options(CLI::App* command, std::string& fingerprint, bool& trust_first) {
  command->add_option("--fingerprint", fingerprint, "accept the server's certificate only if it is this one (sha256:...)")
      ->type_name("SHA256");
  command->add_flag("--trust-first", trust_first, "accept whatever certificate the server shows at first contact");
}

void add_password_file(CLI::App* command, std::string& file) {
  command->add_option("--password-file", file, "read the password from the first line of FILE ('-': standard input)")
      ->type_name("FILE");
}

void declare_signup(CLI::App& app, Declared& declared) {
  auto a = std::make_shared<SignupArguments>();
  CLI::App* c = add_command(app, declared, "signup", "Make an account and log this device in",
                            "  skymoor signup https://cloud.example.org:7443 ada\n"
                            "  skymoor signup cloud.example.org:7443 ada --password-file pw --fingerprint sha256:...");
  c->add_option("URL", a->url, "the server: https://HOST:PORT (skymoord's usual port is 7443)")->required();
  c->add_option("USER", a->user, "user name: a-z 0-9 . _ - @")->required();
  add_password_file(c, a->password_file);
  add_trust_options(c, a->fingerprint, a->trust_first);
  c->add_option("--recovery-file", a->recovery_file, "write the recovery code to FILE (mode 0600) instead of the screen")
      ->type_name("FILE");
  c->add_option("--device-name", a->device_name, "this device's name (default: the machine's)")->type_name("NAME");
  c->add_flag("--allow-weak-password", a->allow_weak_password, "take a password that is easy to guess");
  c->add_flag("--no-volume", a->no_volume, "do not make a first volume called 'home'");
  choose_on_parse(c, declared, a);
}

void declare_login(CLI::App& app, Declared& declared) {
  auto a = std::make_shared<LoginArguments>();
  CLI::App* c = add_command(app, declared, "login", "Log this device in to an account",
                            "  skymoor login https://cloud.example.org:7443 ada\n"
                            "  skymoor login            (again, to the account this device had)");
  c->add_option("URL", a->url, "the server (default: the one of the last login)");
  c->add_option("USER", a->user, "user name (default: that of the last login)");
  add_password_file(c, a->password_file);
  add_trust_options(c, a->fingerprint, a->trust_first);
  c->add_option("--device-name", a->device_name, "this device's name (default: the machine's)")->type_name("NAME");
  c->add_flag("--new-device", a->new_device,
              "go on as a new device (after this one was revoked); what is unsent is kept. A state directory that was copied or "
              "taken back to an older state does so by itself");
  choose_on_parse(c, declared, a);
}

void declare_volume(CLI::App& app, Declared& declared) {
  CLI::App* volume = add_command(app, declared, "volume", "Make and list volumes",
                                 "  skymoor volume create photos\n  skymoor volume ls --json");
  volume->require_subcommand(1);
  auto create = std::make_shared<VolumeCreateArguments>();
  CLI::App* c = add_command(*volume, declared, "create", "Make a volume", "  skymoor volume create photos");
  c->add_option("NAME", create->name, "its name: only you can read it")->required();
  c->add_flag("--managed", create->managed, "mark it so that the server may be given its key later (today it gets none)");
  choose_on_parse(c, declared, create);
  CLI::App* ls = add_command(*volume, declared, "ls", "List the account's volumes", "  skymoor volume ls");
  choose_on_parse(ls, declared, std::make_shared<VolumeListArguments>());
}

void declare_devices(CLI::App& app, Declared& declared) {
  CLI::App* devices = add_command(app, declared, "devices", "List and revoke the account's devices",
                                  "  skymoor devices ls\n  skymoor devices revoke old-laptop");
  devices->require_subcommand(1);
  CLI::App* ls = add_command(*devices, declared, "ls", "List the account's devices", "  skymoor devices ls");
  choose_on_parse(ls, declared, std::make_shared<DevicesListArguments>());
  auto revoke = std::make_shared<DevicesRevokeArguments>();
  CLI::App* c = add_command(*devices, declared, "revoke", "End a device's logins and refuse what it signs from now on",
                            "  skymoor devices revoke old-laptop");
  c->add_option("DEVICE", revoke->device, "its name or id")->required();
  choose_on_parse(c, declared, revoke);
}

}  // namespace

void declare_account_commands(CLI::App& app, Declared& declared) {
  declare_signup(app, declared);
  declare_login(app, declared);
  auto logout = std::make_shared<LogoutArguments>();
  CLI::App* c = add_command(app, declared, "logout", "End this device's login; what was not sent yet stays here",
                            "  skymoor logout\n  skymoor logout --forget      (removes all local state too)");
  c->add_flag("--forget", logout->forget, "remove account, keys and local state; refused while changes are unsent");
  c->add_flag("--force", logout->force, "with --forget: also throw unsent changes away");
  choose_on_parse(c, declared, logout);
  CLI::App* whoami = add_command(app, declared, "whoami", "Show the account and device", "  skymoor whoami --json");
  choose_on_parse(whoami, declared, std::make_shared<WhoamiArguments>());
  declare_volume(app, declared);
  declare_devices(app, declared);
}

}  // namespace skymoor::client
