// What each subcommand was given. Plain values: the parser fills them, the commands use them, tests make them.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace skymoor::client {

struct SignupArguments {
  std::string url, user, password_file, recovery_file, fingerprint, device_name;
  bool trust_first = false, allow_weak_password = false, no_volume = false;
};
struct LoginArguments {
  std::string url, user, password_file, fingerprint, device_name;
  bool trust_first = false, new_device = false;
};
struct LogoutArguments {
  bool forget = false, force = false;
};
struct WhoamiArguments {};
struct VolumeCreateArguments {
  std::string name;
  bool managed = false;
};
struct VolumeListArguments {};
struct DevicesListArguments {};
struct DevicesRevokeArguments {
  std::string device;
};
struct MountArguments {
  std::string volume, directory;
  std::vector<std::string> options;
  bool foreground = false;
  std::string take_over;   ///< what a supervisor hands on (host/supervisor.h); not for people
};
struct UmountArguments {
  std::string directory;
  bool wait = false, lazy = false, force = false;
  std::optional<std::chrono::milliseconds> timeout;
};
struct StatusArguments {
  std::string directory;
  bool watch = false;
};
struct SyncArguments {
  std::string path;
  std::optional<std::chrono::milliseconds> timeout;
};
struct VersionsArguments {
  std::string path;
};
struct TrashArguments {
  std::string directory = ".";
};
struct RestoreArguments {
  std::string path, version, at, to;
  bool all = false;
  std::optional<std::chrono::milliseconds> timeout;
};
struct ConflictsListArguments {
  std::string path;
};
struct ConflictsResolveArguments {
  std::string path;
  std::string keep;   ///< "mine", "theirs", "both", "copy" or "original"
  std::optional<std::chrono::milliseconds> timeout;
};
struct PinArguments {
  std::string path;
  bool list = false, wait = false;
  std::optional<std::chrono::milliseconds> timeout;
};
struct UnpinArguments {
  std::string path;
};
struct UpgradeArguments {
  std::string directory;
};
struct DoctorArguments {};
struct FsckArguments {
  std::string volume;
  bool repair = false, deep = false;
};
struct BenchArguments {
  std::string directory, compare;   ///< compare: empty: the state directory
  std::uint64_t megabytes = 128, files = 2000, syncs = 50;
};
struct VersionArguments {};
struct CompletionArguments {
  std::string shell;
};

using CommandArguments =
    std::variant<SignupArguments, LoginArguments, LogoutArguments, WhoamiArguments, VolumeCreateArguments,
                 VolumeListArguments, DevicesListArguments, DevicesRevokeArguments, MountArguments, UmountArguments,
                 StatusArguments, SyncArguments, UpgradeArguments, VersionsArguments, TrashArguments, RestoreArguments,
                 ConflictsListArguments, ConflictsResolveArguments, PinArguments, UnpinArguments, DoctorArguments,
                 FsckArguments, BenchArguments, VersionArguments, CompletionArguments>;

struct Invocation {
  bool json = false;
  std::string state_directory;   ///< --state-dir; empty: the usual place
  CommandArguments command;
};

}  // namespace skymoor::client
