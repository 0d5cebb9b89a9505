// The subcommands: one file each. Every one takes its arguments and gives its exit code, or an error to be shown.
#pragma once
#include "fuse/app/account/server_connection.h"
#include "fuse/app/command_line/arguments.h"
#include "fuse/app/console.h"
#include "fuse/app/exit_codes.h"

namespace skymoor::client {

/// What commands work with.
struct CommandContext {
  Console& console;
  StatePaths paths;
  PosixDisk& disk;
  SystemClock& clock;
  SystemRandom& random;
};

/// The account of this device and the way to its server. Errors: Unauthenticated, Corrupt.
struct LoggedIn {
  Account account;
  std::unique_ptr<ServerConnection> server;
};
Result<LoggedIn> logged_in(CommandContext& context);

Result<ExitCode> run_command(const SignupArguments&, CommandContext&);
Result<ExitCode> run_command(const LoginArguments&, CommandContext&);
Result<ExitCode> run_command(const LogoutArguments&, CommandContext&);
Result<ExitCode> run_command(const WhoamiArguments&, CommandContext&);
Result<ExitCode> run_command(const VolumeCreateArguments&, CommandContext&);
Result<ExitCode> run_command(const VolumeListArguments&, CommandContext&);
Result<ExitCode> run_command(const DevicesListArguments&, CommandContext&);
Result<ExitCode> run_command(const DevicesRevokeArguments&, CommandContext&);
Result<ExitCode> run_command(const MountArguments&, CommandContext&);
Result<ExitCode> run_command(const UmountArguments&, CommandContext&);
Result<ExitCode> run_command(const StatusArguments&, CommandContext&);
Result<ExitCode> run_command(const SyncArguments&, CommandContext&);
Result<ExitCode> run_command(const VersionsArguments&, CommandContext&);
Result<ExitCode> run_command(const TrashArguments&, CommandContext&);
Result<ExitCode> run_command(const RestoreArguments&, CommandContext&);
Result<ExitCode> run_command(const ConflictsListArguments&, CommandContext&);
Result<ExitCode> run_command(const ConflictsResolveArguments&, CommandContext&);
Result<ExitCode> run_command(const PinArguments&, CommandContext&);
Result<ExitCode> run_command(const UnpinArguments&, CommandContext&);
Result<ExitCode> run_command(const UpgradeArguments&, CommandContext&);
Result<ExitCode> run_command(const DoctorArguments&, CommandContext&);
Result<ExitCode> run_command(const FsckArguments&, CommandContext&);
Result<ExitCode> run_command(const BenchArguments&, CommandContext&);
Result<ExitCode> run_command(const VersionArguments&, CommandContext&);
Result<ExitCode> run_command(const CompletionArguments&, CommandContext&);

/// Parses, runs, reports: all of main.
int run_program(const std::string& program, const std::vector<std::string>& words);

}  // namespace skymoor::client
