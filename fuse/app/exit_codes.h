// What the exit code of every command means; `skymoor --help` prints the same table.
#pragma once
#include "shared/base/error.h"

namespace skymoor::client {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,         ///< anything not named below
  kUsage = 2,           ///< unknown command or option, bad value
  kNotLoggedIn = 3,     ///< no account here, or its session has ended
  kOffline = 4,         ///< the server cannot be reached, or cannot serve now
  kTimedOut = 5,
  kNeedsAttention = 6,  ///< a person must look: damaged state, another server, conflict, fsck or doctor found something
  kBusy = 7,            ///< already mounted, still in use, another process has it
  kNotFound = 8,        ///< no such volume, device, directory or mount
  kRefused = 9,         ///< wrong password, wrong certificate, no permission
};

inline ExitCode exit_code_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kNotSupported: return ExitCode::kUsage;
    case Code::kUnauthenticated: return ExitCode::kNotLoggedIn;
    case Code::kOffline:
    case Code::kUnavailable:
    case Code::kRateLimited: return ExitCode::kOffline;
    case Code::kTimedOut: return ExitCode::kTimedOut;
    case Code::kCorrupt:
    case Code::kUnknownServer:
    case Code::kConflict:
    case Code::kResync:
    case Code::kBadSignature: return ExitCode::kNeedsAttention;
    case Code::kBusy:
    case Code::kNotEmpty: return ExitCode::kBusy;
    case Code::kNotFound:
    case Code::kNotDirectory: return ExitCode::kNotFound;
    case Code::kWrongPassword:
    case Code::kBadCertificate:
    case Code::kForbidden:
    case Code::kPermissionDenied:
    case Code::kNotPermitted: return ExitCode::kRefused;
    default: return ExitCode::kFailure;
  }
}

inline constexpr const char* kExitCodeHelp =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not logged in, 4 server not reachable, 5 timed out,\n"
    "6 a person must look (damage, conflict, other server), 7 busy or already mounted, 8 not found,\n"
    "9 refused (password, certificate, permission).";

}  // namespace skymoor::client
