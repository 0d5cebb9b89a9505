// A directory of its own for a test, removed with everything in it. In memory where there is such a place: tests then
// do not wait for the disk.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace skymoor::testing {

class TempDir {
 public:
  explicit TempDir(const std::string& under = fast_directory()) {
    std::string name = under + "/skymoor-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// A place on a disk, for what memory filesystems do not do.
  static std::string disk_directory() { return std::filesystem::temp_directory_path().string(); }
  static std::string fast_directory() {
    return ::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : disk_directory();
  }

 private:
  std::string path_;
};

}  // namespace skymoor::testing
