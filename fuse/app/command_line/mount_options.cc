#include "fuse/app/command_line/mount_options.h"

#include <algorithm>
#include <array>

namespace skymoor::client {
namespace {

constexpr std::int64_t kMiB = 1ll << 20, kTiB = 1ll << 40;

constexpr Setting kTable[] = {
    {"ro", SettingType::kBool, "false", 0, 0, "mount read-only"},
    {"owners", SettingType::kText, "", 0, 0,
     "preserve: owners as stored (root's default); mine: all files are yours (a user's default)", "|preserve|mine"},
    {"allow_other", SettingType::kBool, "false", 0, 0, "let other users in (permissions are checked)"},
    {"nonempty", SettingType::kBool, "false", 0, 0, "mount over a directory that is not empty"},
    {"coherence", SettingType::kText, "push", 0, 0,
     "push: others' changes show when the server tells of them; open: each open first asks the server", "push|open"},
    {"fsync", SettingType::kText, "local", 0, 0,
     "where fsync makes data safe: on this machine's disk, or at the server (it then waits for the network)",
     "local|remote"},
    {"cache-size", SettingType::kBytes, "10GiB", 16 * kMiB, 1024 * kTiB,
     "disk space for files that the server also has; unsent data comes on top"},
    {"cache-dir", SettingType::kText, "", 0, 0, "where that cache is, on the filesystem of the state (default: ~/.cache/skymoor)"},
    {"state-dir", SettingType::kText, "", 0, 0, "where this device's state is (default: ~/.local/share/skymoor)"},
    {"metadata-memory", SettingType::kBytes, "64MiB", 4 * kMiB, kTiB, "memory for file and directory entries"},
    {"read-timeout", SettingType::kDuration, "30s", 100, 3600000,
     "a read of data that is not here fails after this long"},
    {"upload-limit", SettingType::kBytes, "0", 0, 0, "bytes a second; 0: no limit"},
    {"download-limit", SettingType::kBytes, "0", 0, 0, "bytes a second; 0: no limit"},
    {"parallel-transfers", SettingType::kInteger, "4", 1, 32, "uploads and downloads at a time"},
    {"commit-delay", SettingType::kDuration, "200ms", 0, 60000, "quiet time that gathers changes into one commit; a fifth of it after a rest"},
    {"passthrough", SettingType::kText, "auto", 0, 0,
     "let the kernel read and write cached files itself (root, Linux 6.9 or newer)", "auto|on|off"},
    {"takeover", SettingType::kText, "on", 0, 0,
     "when the mount's process dies, another goes on with the mount (Linux 6.9 or newer)", "on|off"},
    {"threads", SettingType::kInteger, "2", 1, 64, "threads that serve the kernel's requests"},
    {"stuck-after", SettingType::kDuration, "30s", 100, 3600000,
     "a thread that makes no progress for this long, though it does not wait for the network, is reported"},
    {"reserve", SettingType::kBytes, "64MiB", 0, kTiB, "disk space that writes leave free"},
    {"log-level", SettingType::kText, "info", 0, 0, "how much goes to the log", "error|warn|info|debug"},
    {"debug", SettingType::kBool, "false", 0, 0, "trace every request (with -f)"},
};

/// Kept by the kernel.
constexpr std::array<std::string_view, 9> kForKernel = {"nosuid", "suid", "nodev", "dev",    "noexec",
                                                        "exec",   "sync", "async", "dirsync"};
/// For mount(8) and its kin, or the default anyway. Access times are always kept lazily.
constexpr std::array<std::string_view, 21> kDropped = {
    "defaults", "_netdev", "nofail", "auto",  "noauto",   "user",       "nouser",   "users",    "owner",      "group",     "loud",
    "silent",   "mand",    "nomand", "lazytime", "nolazytime", "_rnetdev", "iversion", "noiversion", "symfollow", "sloppy"};

template <std::size_t N>
bool is_in(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\'))
      parts.back() += text[++i];
    else if (text[i] == ',')
      parts.emplace_back();
    else
      parts.back() += text[i];
  }
  return parts;
}

/// With the suggestion that the settings make.
Error unknown_option(MountOptions& options, const std::string& name) {
  const std::string why = options.settings.set(name, "").error().message();
  const auto suggestion = why.find("; did you mean");
  return Error(Code::kInvalidArgument, "unknown mount option '" + name + "'" +
                                           (suggestion == std::string::npos ? "" : why.substr(suggestion)) +
                                           " ('skymoor mount --help' lists them)");
}

/// noatime and its family, as mount(8) reads them; the last one counts. False: none of them.
bool take_access_times(MountOptions& options, std::string_view option) {
  using Times = Filesystem::AccessTimes;
  if (option == "noatime") options.access_times = Times::kNever;
  else if (option == "strictatime" || option == "norelatime") options.access_times = Times::kStrict;
  else if (option == "relatime" || option == "atime" || option == "nostrictatime") options.access_times = Times::kRelative;
  else if (option == "diratime" || option == "nodiratime") options.directory_access_times = option == "diratime";
  else return false;
  return true;
}

Status take(MountOptions& options, const std::string& option) {
  const auto equals = option.find('=');
  const std::string name = option.substr(0, equals);
  if (name == "remount")
    return Error(Code::kNotSupported, "the options of a mount cannot be changed while it lasts: unmount it and mount it again");
  if (option == "rw") return options.settings.set("ro", "false");
  if (name.starts_with("x-") || name.starts_with("X-") || name == "comment" || name == "user" || is_in(kDropped, option))
    return {};
  if (take_access_times(options, option)) return {};
  if (is_in(kForKernel, option)) {
    options.kernel_options.push_back(option);
    return {};
  }
  if (std::none_of(std::begin(kTable), std::end(kTable), [&](const Setting& s) { return s.name == name; }))
    return unknown_option(options, name);
  const bool is_flag = std::any_of(std::begin(kTable), std::end(kTable), [&](const Setting& s) {
    return s.name == name && s.type == SettingType::kBool;
  });
  if (equals == std::string::npos && !is_flag)
    return Error(Code::kInvalidArgument, "mount option '" + name + "' needs a value: " + name + "=...");
  return options.settings.set(name, equals == std::string::npos ? "true" : option.substr(equals + 1));
}

}  // namespace

MountOptions::MountOptions() : settings(kTable) {}

Result<MountOptions> parse_mount_options(const std::vector<std::string>& texts) {
  MountOptions options;
  for (const std::string& text : texts)
    for (const std::string& option : split(text))
      if (!option.empty()) TRY(take(options, option));
  return options;
}

std::string mount_options_help() {
  std::string help = "Mount options (-o):\n";
  for (const Setting& setting : kTable) {
    std::string name(setting.name);
    if (setting.type != SettingType::kBool)
      name += setting.choices.empty() ? "=..." : "=" + std::string(setting.choices.substr(setting.choices[0] == '|'));
    help += "  " + name + std::string(name.size() < 32 ? 32 - name.size() : 1, ' ') + std::string(setting.doc);
    if (setting.type != SettingType::kBool && !setting.default_value.empty())
      help += " (" + std::string(setting.default_value) + ")";
    help += '\n';
  }
  return help + "  noatime, relatime, strictatime, nodiratime: whether reading a file moves its access time (relatime).\n"
                "  nosuid, nodev, noexec and the other standard options of mount(8) are accepted too.\n";
}

}  // namespace skymoor::client
