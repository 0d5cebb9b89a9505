#include "tests/support/crash_disk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace skymoor::testing {
namespace {

namespace fs = std::filesystem;

/// A file whose syncs are noted instead of made: the disk below may be slow, and never loses power.
class NotedFile final : public File {
 public:
  NotedFile(CrashDisk& disk, std::unique_ptr<File> below) : disk_(disk), below_(std::move(below)) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    return below_->read_at(offset, out);
  }
  Status write_at(std::uint64_t offset, ByteView data) override { return below_->write_at(offset, data); }
  Status sync() override {
    disk_.synced(below_->fd());
    return {};
  }
  Status truncate(std::uint64_t size) override { return below_->truncate(size); }
  Result<std::uint64_t> size() override { return below_->size(); }
  int fd() const override { return below_->fd(); }

 private:
  CrashDisk& disk_;
  const std::unique_ptr<File> below_;
};

std::string read_whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_whole(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("write " + path.string());
}

bool is_database(const std::string& name) { return name.ends_with("metadata.db"); }
bool is_shared_memory(const std::string& name) { return name.ends_with("-shm"); }

}  // namespace

Result<std::unique_ptr<File>> CrashDisk::open(const std::string& path, OpenOptions options) {
  auto below = TRY(below_.open(path, options));
  return std::unique_ptr<File>(std::make_unique<NotedFile>(*this, std::move(below)));
}

void CrashDisk::synced(int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return;
  std::string bytes(static_cast<std::size_t>(st.st_size), '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  std::lock_guard lock(mutex_);
  bytes_[st.st_ino] = std::move(bytes);
}

/// Looks at a directory anew unless its time says that nothing came or went since; a time of just now says nothing.
const CrashDisk::Listed& CrashDisk::list_directory(const std::string& name) {
  constexpr std::int64_t kTick = 20'000'000;
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  Listed& listed = listed_[name];
  const std::string path = root_ + "/" + name;
  struct stat st{};
  timespec now{};
  if (::lstat(path.c_str(), &st) != 0) return listed = {};
  if (nanoseconds(st.st_mtim) == listed.settled) return listed;
  ::clock_gettime(CLOCK_REALTIME, &now);
  listed = {};
  std::error_code gone;
  for (fs::directory_iterator it(path, gone), end; it != end; it.increment(gone)) {
    if (it->is_directory()) listed.directories.push_back(it->path().filename().native() + "/");
    else if (::lstat(it->path().c_str(), &st) == 0) listed.files[it->path().filename().native()] = st.st_ino;
  }
  if (::lstat(path.c_str(), &st) == 0 && nanoseconds(st.st_mtim) < nanoseconds(now) - kTick)
    listed.settled = nanoseconds(st.st_mtim);
  return listed;
}

void CrashDisk::gather(const std::string& directory, std::map<std::string, FileNumber>& names) {
  const Listed& listed = list_directory(directory);
  for (const auto& [name, number] : listed.files) names[directory + name] = number;
  for (const std::string& name : listed.directories) {
    names[directory + name] = 0;
    gather(directory + name, names);
  }
}

std::map<std::string, CrashDisk::FileNumber> CrashDisk::names_now() {
  std::map<std::string, FileNumber> names;
  gather("", names);
  return names;
}

Status CrashDisk::sync_directory(const std::string&) {
  std::lock_guard lock(mutex_);
  names_ = names_now();
  return {};
}

void CrashDisk::settle() {
  std::lock_guard lock(mutex_);
  names_ = names_now();
  for (const auto& [name, number] : names_)
    if (!name.ends_with('/')) bytes_[number] = read_whole(root_ + "/" + name);
}

void CrashDisk::cut_power(const std::string& to) {
  std::lock_guard lock(mutex_);
  fs::create_directories(to);
  for (const auto& [name, number] : names_) {
    if (name.ends_with('/')) {
      fs::create_directories(to + "/" + name);
    } else if (is_database(name)) {
      write_whole(to + "/" + name, read_whole(root_ + "/" + name));
    } else if (!is_shared_memory(name)) {
      auto it = bytes_.find(number);
      write_whole(to + "/" + name, it == bytes_.end() ? std::string() : it->second);
    }
  }
  root_ = to;
  listed_.clear();
  bytes_.clear();
  names_ = names_now();
  for (const auto& [name, number] : names_)
    if (!name.ends_with('/')) bytes_[number] = read_whole(root_ + "/" + name);
}

void CrashDisk::kill(const std::string& to) {
  std::lock_guard lock(mutex_);
  std::map<std::string, FileNumber> names = std::move(names_);
  std::map<FileNumber, std::string> bytes = std::move(bytes_);
  names_.clear();
  bytes_.clear();
  const auto now = names_now();
  fs::create_directories(to);
  for (const auto& [name, number] : now) {
    if (name.ends_with('/')) fs::create_directories(to + "/" + name);
    else if (!is_shared_memory(name)) write_whole(to + "/" + name, read_whole(root_ + "/" + name));
  }
  // What was synced stays what a later power cut leaves: under the copies' numbers.
  root_ = to;
  listed_.clear();
  std::map<FileNumber, FileNumber> copies;
  for (const auto& [name, number] : names_now())
    if (auto it = now.find(name); it != now.end()) copies[it->second] = number;
  for (const auto& [name, number] : names) names_[name] = copies.contains(number) ? copies[number] : number;
  for (auto& [number, text] : bytes) bytes_[copies.contains(number) ? copies[number] : number] = std::move(text);
}

}  // namespace skymoor::testing
