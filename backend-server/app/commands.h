// The subcommands of `skymoord`: what each was given, and how to run it. One file each.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "shared/base/error.h"

namespace skymoor::server {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
};
inline constexpr const char* kExitCodeHelp = "Exit codes: 0 done, 1 failed or damage found, 2 wrong usage or settings.";

/// Settings as given: a TOML file, then single ones that win over it.
struct GivenSettings {
  std::string config_file;
  std::vector<std::pair<std::string, std::string>> values;
};

struct ServeArguments {
  GivenSettings settings;
  std::string port_file;   ///< the bound port is written here once the server answers
};
enum class AdminAction : std::uint8_t { kListUsers, kListVolumes, kGrantAdmin, kRevokeAdmin, kDisable, kEnable };
struct AdminArguments {
  GivenSettings settings;
  AdminAction action = AdminAction::kListUsers;
  std::string user;
  bool json = false;
};
struct FsckArguments {
  GivenSettings settings;
  bool repair = false, json = false;
};
struct BackupArguments {
  GivenSettings settings;
  std::string to;
  bool without_login_secrets = false, json = false;
};
struct FingerprintArguments {
  GivenSettings settings;
  bool json = false;
};

struct VersionArguments {
  bool json = false;
};

/// Prints to standard output; errors go to standard error. Blocks: `run_serve` until the server is told to stop.
ExitCode run_serve(const ServeArguments& arguments);
ExitCode run_admin(const AdminArguments& arguments);
/// kFailure also when something is found that was not repaired.
ExitCode run_fsck(const FsckArguments& arguments);
ExitCode run_backup(const BackupArguments& arguments);
ExitCode run_fingerprint(const FingerprintArguments& arguments);
ExitCode run_config();
ExitCode run_version(const VersionArguments& arguments);

/// Parses the command line and runs the command it names. Never throws.
int run_command_line(int argc, const char* const* argv);

/// "skymoord: MESSAGE" on standard error, and the exit code for it.
ExitCode report(const Error& error);

}  // namespace skymoor::server
