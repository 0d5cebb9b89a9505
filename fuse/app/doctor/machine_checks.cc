#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "fuse/app/doctor/checks.h"
#include "fuse/app/host/mount_table.h"
#include "fuse/app/host/passthrough_support.h"
#include "fuse/app/mount/mount_status.h"
#include "fuse/app/mount/running_mounts.h"
#include "shared/base/settings.h"

namespace skymoor::client {
namespace {

using State = Finding::State;
constexpr std::uint64_t kLittleSpace = 1ull << 30, kNoSpace = 128ull << 20;

bool is_setuid_root(const std::string& path) {
  struct stat st = {};
  return ::stat(path.c_str(), &st) == 0 && st.st_uid == 0 && (st.st_mode & S_ISUID) != 0;
}

bool file_has_word(const char* path, std::string_view word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line == word) return true;
  return false;
}

void check_space(Findings& out, Disk& disk, const std::string& check, std::string path) {
  while (!disk.exists(path) && path.size() > 1) path = path.substr(0, std::max<std::size_t>(1, path.rfind('/')));
  const auto free = disk.free_bytes(path);
  if (!free.ok()) {
    out.push_back({check, State::kProblem, free.error().message(), "make it readable and writable for this user"});
    return;
  }
  const State state = *free < kNoSpace ? State::kProblem : *free < kLittleSpace ? State::kWarning : State::kOk;
  out.push_back({check, state, path + ": " + format_bytes(*free) + " free",
                 state == State::kOk ? "" : "free some space there: writes fail with 'no space' when it is full"});
}

void check_privacy(Findings& out, const std::string& path) {
  struct stat st = {};
  if (::stat(path.c_str(), &st) != 0) return;
  if (st.st_uid != ::geteuid())
    out.push_back({"state", State::kProblem, path + " belongs to another user", "give another --state-dir"});
  else if ((st.st_mode & 077) != 0)
    out.push_back({"state", State::kWarning, path + " can be entered by other users", "chmod 700 " + path});
}

}  // namespace

void check_fuse_device(Findings& out) {
  const UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd) return out.push_back({"fuse", State::kOk, "/dev/fuse opens", ""});
  if (errno == EACCES || errno == EPERM)
    return out.push_back({"fuse", State::kProblem, "/dev/fuse may not be opened by this user",
                          "run as root, or have its mode set to 0666 (in containers: pass the device in)"});
  out.push_back({"fuse", State::kProblem, "/dev/fuse is not there: " + Error::from_errno(errno, "open").message(),
                 "modprobe fuse (in containers: --device /dev/fuse --cap-add SYS_ADMIN)"});
}

void check_fusermount(Findings& out) {
  if (::geteuid() == 0) return out.push_back({"fusermount", State::kOk, "not needed by root", ""});
  for (const char* path : {"/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"})
    if (is_setuid_root(path)) {
      out.push_back({"fusermount", State::kOk, path, ""});
      if (!file_has_word("/etc/fuse.conf", "user_allow_other"))
        out.push_back({"allow_other", State::kOk, "only root may use -o allow_other",
                       "to change that, put the line user_allow_other into /etc/fuse.conf"});
      return;
    }
  out.push_back({"fusermount", State::kProblem, "fusermount3 is not installed, or not setuid root",
                 "install the package fuse3, or mount as root"});
}

void check_passthrough(Findings& out) {
  const PassthroughSupport support = passthrough_support();
  out.push_back({"passthrough", State::kOk,
                 support.possible ? "possible: cached files run at the speed of the disk" : "not possible: " + support.why_not, ""});
}

void check_directories(Findings& out, Disk& disk, const StatePaths& paths) {
  check_space(out, disk, "state-space", paths.state);
  check_space(out, disk, "cache-space", paths.cache);
  check_privacy(out, paths.state);
}

void check_mounts(Findings& out, Disk& disk, const StatePaths& paths) {
  std::vector<std::string> silent;
  const auto running = running_mounts(disk, paths, &silent);
  if (!running.ok()) return;
  for (const RunningMount& mount : *running)
    if (mount.attached)
      out.push_back({"mounts", State::kOk, mount.mount_point + " (skymoor:" + mount.volume + ") answers; " +
                                               describe_passthrough(mount.status_json), ""});
    else
      out.push_back({"mounts", State::kWarning, mount.mount_point + ": detached, and still used by programs",
                     "end them, or end it at once: skymoor umount --force " + mount.mount_point});
  const auto foreign = foreign_mounts(*running);
  if (!foreign.ok()) return;
  for (const auto& [entry, state] : *foreign) {
    if (state == MountState::kDead)
      out.push_back({"mounts", State::kProblem, entry.mount_point + ": its process has died",
                     "skymoor umount " + entry.mount_point + ", then mount it again: nothing is lost"});
    else if (state == MountState::kSilent)
      out.push_back({"mounts", State::kProblem, entry.mount_point + ": does not answer",
                     "if nothing serves it any more: skymoor umount --force " + entry.mount_point});
  }
  for (const std::string& who : silent)
    out.push_back({"mounts", State::kProblem, "a mount does not answer: " + who, "look into " + paths.log_file()});
}

}  // namespace skymoor::client
