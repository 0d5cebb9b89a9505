#include "shared/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "shared/base/fault_plan.h"

namespace skymoor {
namespace {

Status hit(const FaultHook& hook, std::string_view name, std::string_view detail) {
  if (!hook) return {};
  if (int err = hook({name, detail})) return Error::from_errno(err, std::string(name) + " " + std::string(detail));
  return {};
}

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd fd, std::string path, const FaultHook& hook)
      : fd_(std::move(fd)), path_(std::move(path)), hook_(hook) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    TRY(hit(hook_, "file.read", path_));
    std::size_t done = 0;
    while (done < out.size()) {
      ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error::from_errno(errno, "read " + path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Status write_at(std::uint64_t offset, ByteView data) override {
    const int fault = hook_ ? hook_({"file.write", path_}) : 0;
    if (fault > 0) return Error::from_errno(fault, "file.write " + path_);
    if (fault == kTornWrite) data = data.first(data.size() / 2);
    TRY(write_all(offset, data));
    if (fault == kTornWrite) ::kill(::getpid(), SIGKILL);
    return {};
  }

  Status sync() override {
    TRY(hit(hook_, "file.sync", path_));
    while (::fdatasync(fd_.get()) != 0)
      if (errno != EINTR) return Error::from_errno(errno, "sync " + path_);
    return {};
  }

  Status truncate(std::uint64_t size) override {
    TRY(hit(hook_, "file.truncate", path_));
    while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      if (errno != EINTR) return Error::from_errno(errno, "truncate " + path_);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat st;
    if (::fstat(fd_.get(), &st) != 0) return Error::from_errno(errno, "stat " + path_);
    return static_cast<std::uint64_t>(st.st_size);
  }

  int fd() const override { return fd_.get(); }

 private:
  Status write_all(std::uint64_t offset, ByteView data) {
    while (!data.empty()) {
      ssize_t n = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error::from_errno(errno, "write " + path_);
      data = data.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  UniqueFd fd_;
  std::string path_;
  FaultHook hook_;
};

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenOptions options) {
  TRY(hit(hook_, "disk.open", path));
  int flags = O_CLOEXEC | (options.read_only ? O_RDONLY : O_RDWR) | (options.create ? O_CREAT : 0) |
              (options.exclusive ? O_EXCL : 0);
  int fd;
  do fd = ::open(path.c_str(), flags, options.mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return Error::from_errno(errno, "open " + path);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(UniqueFd(fd), path, hook_));
}

Status PosixDisk::rename(const std::string& from, const std::string& to) {
  TRY(hit(hook_, "disk.rename", to));
  if (::rename(from.c_str(), to.c_str()) != 0) return Error::from_errno(errno, "rename " + from + " to " + to);
  return {};
}

Status PosixDisk::unlink(const std::string& path) {
  TRY(hit(hook_, "disk.unlink", path));
  if (::unlink(path.c_str()) != 0) return Error::from_errno(errno, "remove " + path);
  return {};
}

Status PosixDisk::make_directories(const std::string& path, unsigned mode) {
  TRY(hit(hook_, "disk.mkdir", path));
  if (::mkdir(path.c_str(), mode) == 0) return {};
  if (errno == ENOENT) {
    TRY(make_directories(parent_of(path), mode));
    if (::mkdir(path.c_str(), mode) == 0) return {};
  }
  struct stat st;
  int err = errno;
  if (err == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
  return Error::from_errno(err, "create directory " + path);
}

Status PosixDisk::sync_directory(const std::string& path) {
  TRY(hit(hook_, "disk.sync_directory", path));
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return Error::from_errno(errno, "sync directory " + path);
  return {};
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return Error::from_errno(errno, "list " + path);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::uint64_t> PosixDisk::free_bytes(const std::string& path) {
  struct statvfs st;
  if (::statvfs(path.c_str(), &st) != 0) return Error::from_errno(errno, "statvfs " + path);
  return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
}

bool PosixDisk::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status PosixDisk::fault(std::string_view name, std::string_view detail) { return hit(hook_, name, detail); }

Result<Bytes> read_file(Disk& disk, const std::string& path, std::size_t max_bytes) {
  auto file = TRY(disk.open(path, {.read_only = true}));
  std::uint64_t size = TRY(file->size());
  if (size > max_bytes) return Error(Code::kTooLarge, path + " is larger than expected");
  Bytes content(size);
  content.resize(TRY(file->read_at(0, content)));
  return content;
}

Status write_file_durably(Disk& disk, const std::string& path, ByteView content, unsigned mode) {
  std::string fresh = path + ".new";
  {
    auto file = TRY(disk.open(fresh, {.create = true, .mode = mode}));
    TRY(file->truncate(0));
    TRY(file->write_at(0, content));
    TRY(file->sync());
  }
  TRY(disk.rename(fresh, path));
  return disk.sync_directory(parent_of(path));
}

Result<UniqueFd> lock_directory(const std::string& directory) {
  std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return Error::from_errno(errno, "open " + path);
  bool locked = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  for (int i = 0; i < 3 && !locked && errno == EWOULDBLOCK; ++i) {   // somebody may just be looking whether it is held
    ::usleep(5000);
    locked = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  }
  if (!locked) {
    if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock " + path);
    char pid[32] = {};
    if (::pread(fd.get(), pid, sizeof pid - 1, 0) <= 0) pid[0] = '?';
    pid[std::strcspn(pid, "\n")] = '\0';
    return Error(Code::kBusy, directory + " is in use by another process (pid " + std::string(pid) + ")");
  }
  // The flock is the lock. Who has it is told as far as there is room on the disk.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::pwrite(fd.get(), pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size()))
    (void)!::ftruncate(fd.get(), static_cast<off_t>(pid.size()));
  return fd;
}

}  // namespace skymoor
