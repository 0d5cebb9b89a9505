#include "fuse/app/host/mount_table.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

namespace skymoor::client {
namespace {

/// Blank, tab, newline and backslash are written as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_under(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

Result<bool> is_empty(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (!directory) return Error::from_errno(errno, "mount point " + path);
  bool empty = true;
  while (const dirent* entry = ::readdir(directory))
    if (std::string_view name = entry->d_name; name != "." && name != "..") {
      empty = false;
      break;
    }
  ::closedir(directory);
  return empty;
}

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view mountinfo) {
  std::vector<MountEntry> table;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, mount_point, word, type, source;
    words >> id >> parent >> device >> root >> mount_point;
    while (words >> word && word != "-") {
    }
    unsigned major = 0, minor = 0;
    if (std::sscanf(device.c_str(), "%u:%u", &major, &minor) != 2) continue;
    if (words >> type >> source) table.push_back({unescape(mount_point), unescape(type), unescape(source), major << 20 | minor});
  }
  return table;
}

Result<std::vector<MountEntry>> read_mount_table() {
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return Error(Code::kIo, "cannot read /proc/self/mountinfo");
  return parse_mount_table(content.str());
}

const MountEntry* mount_of(const std::vector<MountEntry>& table, std::string_view mount_point, std::string_view label) {
  return mount_noted(table, note_of("skymoor:" + std::string(label), mount_point));
}

std::string note_of(std::string_view source, std::string_view mount_point) {
  return std::string(source) + '\0' + std::string(mount_point);
}

const MountEntry* mount_noted(const std::vector<MountEntry>& table, std::string_view note) {
  const auto found = std::find_if(table.rbegin(), table.rend(), [&](const MountEntry& entry) {
    return entry.type == kMountType && note_of(entry.source, entry.mount_point) == note;
  });
  return found == table.rend() ? nullptr : &*found;
}

Result<bool> is_on_top(const MountEntry& mount) {
  if (mount.device == 0) return true;
  const auto table = TRY(read_mount_table());
  const MountEntry* there = mount_holding(table, mount.mount_point);
  return there && there->mount_point == mount.mount_point && there->device == mount.device;
}

MountState state_of_mount(const std::string& mount_point) {
  static std::mutex guard;
  static std::set<std::string> asked;   // and no answer yet
  {
    std::lock_guard lock(guard);
    if (!asked.insert(mount_point).second) return MountState::kSilent;
  }
  auto answer = std::make_shared<std::promise<int>>();
  auto future = answer->get_future();
  // A thread that may stay behind: nothing takes a caller back from a mount that is stuck.
  std::thread([answer, mount_point] {
    struct statfs ignored = {};
    const int error = ::statfs(mount_point.c_str(), &ignored) == 0 ? 0 : errno;
    {
      std::lock_guard lock(guard);
      asked.erase(mount_point);
    }
    answer->set_value(error);
  }).detach();
  if (future.wait_for(std::chrono::seconds(2)) != std::future_status::ready) return MountState::kSilent;
  const int error = future.get();
  // Which of the two depends on whether the request was on its way when the process died.
  return error == ENOTCONN || error == ECONNABORTED ? MountState::kDead : MountState::kAnswers;
}

const MountEntry* mount_holding(const std::vector<MountEntry>& table, std::string_view path) {
  const MountEntry* best = nullptr;
  for (const MountEntry& entry : table)
    if (is_under(path, entry.mount_point) && (!best || entry.mount_point.size() >= best->mount_point.size()))
      best = &entry;
  return best;
}

std::string absolute_mount_point(const std::string& path) {
  std::error_code failed;
  auto full = std::filesystem::absolute(path, failed).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();
  auto parent = std::filesystem::canonical(full.parent_path(), failed);
  if (failed || full == "/") return full.string();
  return (parent / full.filename()).string();
}

Result<std::string> check_mount_point(const std::string& path, bool allow_nonempty) {
  std::string full = absolute_mount_point(path);
  const auto table = TRY(read_mount_table());
  struct stat st = {};
  auto mounted_at = [&](const std::string& where) {
    const MountEntry* entry = mount_holding(table, where);
    return entry && entry->mount_point == where && entry->type == kMountType ? entry : nullptr;
  };
  if (const MountEntry* entry = mounted_at(full))
    return Error(Code::kBusy, full + " has " + entry->source + " mounted on it already: 'skymoor umount " + full +
                                  "' first, or choose another directory");
  if (::lstat(full.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) {
    std::error_code failed;
    auto target = std::filesystem::canonical(full, failed);
    if (failed) return Error(Code::kNotFound, "mount point " + full + " is a link to nowhere");
    return check_mount_point(target.string(), allow_nonempty);
  }
  if (::stat(full.c_str(), &st) != 0) {
    if (errno == ENOENT)
      return Error(Code::kNotFound, "mount point " + full + " does not exist: 'mkdir -p " + full + "' makes it");
    return Error::from_errno(errno, "mount point " + full);
  }
  if (!S_ISDIR(st.st_mode)) return Error(Code::kNotDirectory, "mount point " + full + " is not a directory");
  if (::geteuid() != 0 && ::access(full.c_str(), W_OK) != 0)
    return Error(Code::kPermissionDenied, "mount point " + full + " is not yours to mount on: you need write permission");
  if (!allow_nonempty && !TRY(is_empty(full)))
    return Error(Code::kNotEmpty, "mount point " + full + " is not empty: what is in it would be hidden (-o nonempty to "
                                  "mount over it all the same)");
  return full;
}

}  // namespace skymoor::client
