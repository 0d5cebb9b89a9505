#include "fuse/app/host/unmount.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "shared/base/fd.h"

extern char** environ;

namespace skymoor::client {
namespace {

std::string read_link(const std::string& path) {
  char target[4096];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  if (DIR* directory = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(directory))
      if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    ::closedir(directory);
  }
  return names;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

std::string use_of(const std::string& process, const std::string& mount_point) {
  if (const std::string cwd = read_link(process + "/cwd"); is_below(cwd, mount_point)) return "works in " + cwd;
  if (const std::string root = read_link(process + "/root"); is_below(root, mount_point)) return "has its root in " + root;
  if (const std::string exe = read_link(process + "/exe"); is_below(exe, mount_point)) return "runs " + exe;
  for (const std::string& fd : names_in(process + "/fd"))
    if (const std::string open = read_link(process + "/fd/" + fd); is_below(open, mount_point)) return "has " + open + " open";
  std::ifstream maps(process + "/maps");
  for (std::string line; std::getline(maps, line);)
    if (const auto slash = line.find('/'); slash != std::string::npos && is_below(line.substr(slash), mount_point))
      return "has " + line.substr(slash) + " mapped";
  return {};
}

std::string name_of_process(const std::string& process) {
  std::ifstream comm(process + "/comm");
  std::string name;
  std::getline(comm, name);
  return name;
}

Error busy(const std::string& mount_point) {
  std::string message = mount_point + " is in use";
  for (const BusyProcess& process : processes_using(mount_point))
    message += "\n  " + process.name + " (pid " + std::to_string(process.pid) + ") " + process.what;
  return Error(Code::kBusy, message + "\nEnd or move them and try again, or detach it with --lazy");
}

Error not_mounted(const std::string& mount_point) {
  return Error(Code::kNotFound, "nothing is mounted on " + mount_point);
}

/// Runs a program with its output discarded; its exit code, or -1 when it cannot be run.
int run_quietly(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Status unmount_as_user(const std::string& mount_point, bool lazy) {
  std::vector<std::string> words = {"fusermount3", lazy ? "-uz" : "-u", "--", mount_point};
  const int code = run_quietly(words);
  if (code == 0) return {};
  if (code == -1)
    return Error(Code::kNotPermitted, "unmounting needs fusermount3 (package fuse3), or root");
  // fusermount3 says only that it failed; a mount that is there and may be unmounted is busy.
  return busy(mount_point);
}

/// The kernel's control filesystem, not mounted anywhere; nothing where that is not permitted (errno).
UniqueFd control_filesystem() {
  const UniqueFd context(::fsopen("fusectl", FSOPEN_CLOEXEC));
  if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  return UniqueFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

}  // namespace

std::vector<BusyProcess> processes_using(const std::string& mount_point, std::size_t limit) {
  std::vector<BusyProcess> found;
  for (const std::string& name : names_in("/proc")) {
    if (found.size() >= limit) break;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string process = "/proc/" + name;
    if (std::string what = use_of(process, mount_point); !what.empty())
      found.push_back({std::stoi(name), name_of_process(process), std::move(what)});
  }
  return found;
}

Status unmount(const std::string& mount_point, bool lazy) {
  if (::geteuid() != 0) return unmount_as_user(mount_point, lazy);
  if (::umount2(mount_point.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return {};
  if (errno == EBUSY) return busy(mount_point);
  if (errno == EINVAL || errno == ENOENT) return not_mounted(mount_point);
  return Error::from_errno(errno, "unmount " + mount_point);
}

Status abort_requests(const MountEntry& mount) {
  const std::string file = std::to_string(mount.device) + "/abort";
  UniqueFd abort(::open(("/sys/fs/fuse/connections/" + file).c_str(), O_WRONLY | O_CLOEXEC));
  if (!abort && errno == ENOENT)
    if (const UniqueFd control = control_filesystem()) abort = UniqueFd(::openat(control.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
  if (abort && ::write(abort.get(), "1", 1) == 1) return {};
  if (abort || errno != ENOENT) return Error::from_errno(errno, "end the connection of " + mount.mount_point);
  return not_mounted(mount.mount_point);
}

}  // namespace skymoor::client
