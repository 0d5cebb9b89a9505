#include "fuse/app/state/state_paths.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace skymoor::client {
namespace {

std::string value_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value ? value : "";
}

/// mount(8) and systemd start us without HOME.
std::string home_directory(const Environment& environment) {
  if (std::string home = value_of(environment, "HOME"); home.starts_with('/')) return home;
  char buffer[4096];
  passwd entry = {}, *found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found) return found->pw_dir;
  return {};
}

std::string absolute(const std::string& path) {
  std::error_code ignored;
  std::string full = std::filesystem::absolute(path, ignored).lexically_normal().string();
  while (full.size() > 1 && full.ends_with('/')) full.pop_back();
  return full;
}

/// The XDG rules: an unset, empty or relative value counts as unset. Source: XDG Base Directory Specification.
std::string xdg(const Environment& environment, const char* name, const std::string& home, const char* otherwise) {
  if (std::string value = value_of(environment, name); value.starts_with('/')) return value + "/skymoor";
  return home.empty() ? "" : home + otherwise + "/skymoor";
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> const char* { return std::getenv(name); };
}

Result<StatePaths> StatePaths::resolve(const std::string& state_option, const std::string& cache_option,
                                       const Environment& environment) {
  const std::string home = home_directory(environment);
  StatePaths paths;
  paths.state = !state_option.empty() ? state_option : value_of(environment, "SKYMOOR_STATE_DIR");
  if (paths.state.empty()) paths.state = xdg(environment, "XDG_DATA_HOME", home, "/.local/share");
  paths.cache = !cache_option.empty() ? cache_option : xdg(environment, "XDG_CACHE_HOME", home, "/.cache");
  if (paths.state.empty() || paths.cache.empty())
    return Error(Code::kInvalidArgument, "no home directory is known for this user: set HOME, or give --state-dir");
  paths.state = absolute(paths.state);
  paths.cache = absolute(paths.cache);
  struct stat st = {};
  if (::stat(paths.state.c_str(), &st) == 0 && !S_ISDIR(st.st_mode))
    return Error(Code::kNotDirectory, paths.state + " is no directory: give another --state-dir");
  return paths;
}

Status make_private_directory(Disk& disk, const std::string& path) {
  TRY(disk.make_directories(path, 0700));
  struct stat st = {};
  if (::stat(path.c_str(), &st) != 0) return Error::from_errno(errno, path);
  if (st.st_uid != ::geteuid())
    return Error(Code::kPermissionDenied, path + " belongs to another user: give another --state-dir");
  if ((st.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0)
    return Error::from_errno(errno, "take " + path + " away from other users");
  return {};
}

}  // namespace skymoor::client
