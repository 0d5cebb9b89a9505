// CrashDisk: the machine's files, with a memory of what a power cut would leave of them.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "shared/base/file.h"

namespace skymoor::testing {

/// Passes everything on to real files below `root` and keeps, aside, what was synced: bytes at each File::sync, names (all
/// of them: the filesystem below orders its own changes) at each sync_directory. SQLite's files go past it, but for the
/// WAL, which the journal syncs through it; the database itself only changes by a checkpoint that SQLite has synced.
/// Thread-safe. For directories whose inode numbers are not used again soon (tmpfs).
class CrashDisk final : public Disk {
 public:
  explicit CrashDisk(std::string root) : root_(std::move(root)) {}

  /// Makes `to` what a power cut now would leave of `root`, and `root` mean `to` from then on.
  void cut_power(const std::string& to);
  /// The same for the end of the process: the kernel keeps everything.
  void kill(const std::string& to);
  /// An orderly end: all of it is on the disk.
  void settle();

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status rename(const std::string& from, const std::string& to) override { return below_.rename(from, to); }
  Status unlink(const std::string& path) override { return below_.unlink(path); }
  Status make_directories(const std::string& path, unsigned mode) override { return below_.make_directories(path, mode); }
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override { return below_.list(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override { return below_.free_bytes(path); }
  bool exists(const std::string& path) override { return below_.exists(path); }
  Status fault(std::string_view name, std::string_view detail) override { return below_.fault(name, detail); }

  void synced(int fd);   ///< for its files

 private:
  using FileNumber = std::uint64_t;
  /// What is right in a directory. `settled`: its time as of then, if nothing can have come after it in the same tick.
  struct Listed {
    std::int64_t settled = -1;
    std::map<std::string, FileNumber> files;
    std::vector<std::string> directories;      ///< with a slash at their end
  };
  const Listed& list_directory(const std::string& name);
  void gather(const std::string& directory, std::map<std::string, FileNumber>& names);
  std::map<std::string, FileNumber> names_now();

  PosixDisk below_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::string root_;
  std::map<std::string, FileNumber> names_;    // below root_
  std::map<FileNumber, std::string> bytes_;
  std::map<std::string, Listed> listed_;       // most directories are empty, and looked at again and again
};

}  // namespace skymoor::testing
