// Durable file work behind one seam: every open, write, sync, rename and unlink of state goes through here, so that
// crash tests see each of them and can make any of them fail.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/error.h"
#include "shared/base/fd.h"

namespace skymoor {

/// What a fault hook is told before each step; `detail` is the path.
struct FaultPoint {
  std::string_view name;  ///< "file.write", "file.sync", "disk.rename", ... or a room's own dotted name
  std::string_view detail;
};

/// Injects failures. A hook returns 0 to go on, or an errno with which the step then fails without being done; it may
/// also end the process. One per Disk; none in production, unless one is ordered from outside (fault_plan.h).
using FaultHook = std::function<int(const FaultPoint&)>;

/// One open file. Thread-safe for concurrent calls on different ranges. Owned by the caller; closes on destruction.
/// All calls retry EINTR and short transfers.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to out.size() bytes at `offset`; returns the count, short only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// Durability: in the kernel on return (survives kill -9), on the disk after `sync`.
  virtual Status write_at(std::uint64_t offset, ByteView data) = 0;
  /// fdatasync. Durability: everything written before survives a power cut. A failed sync stays failed: the kernel
  /// may have dropped the pages, so a later success proves nothing.
  virtual Status sync() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  /// The descriptor, for splice, ioctl and passthrough; -1 for a simulated file.
  virtual int fd() const = 0;
};

struct OpenOptions {
  bool create = false;
  bool exclusive = false;   ///< with create: fail with AlreadyExists
  bool read_only = false;
  unsigned mode = 0600;
};

/// A directory tree of state files. Thread-safe. Paths are absolute or relative to the working directory.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status unlink(const std::string& path) = 0;
  virtual Status make_directories(const std::string& path, unsigned mode = 0700) = 0;
  /// fsync of the directory. Durability: its entries survive a power cut.
  virtual Status sync_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  ///< names, sorted, without . and ..
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  /// Runs the fault hook for a room's own named point; ok when there is none.
  virtual Status fault(std::string_view name, std::string_view detail = {}) = 0;
};

/// The machine's filesystem.
class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(FaultHook hook = nullptr) : hook_(std::move(hook)) {}
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status make_directories(const std::string& path, unsigned mode) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  bool exists(const std::string& path) override;
  Status fault(std::string_view name, std::string_view detail) override;

 private:
  FaultHook hook_;
};

/// Whole small files (settings, keys).
Result<Bytes> read_file(Disk& disk, const std::string& path, std::size_t max_bytes);
/// Writes `path` atomically: a new file beside it, synced, renamed over it, directory synced.
/// Durability: on return the new content survives a power cut; before, the old one does.
Status write_file_durably(Disk& disk, const std::string& path, ByteView content, unsigned mode = 0600);

/// A lock that one process holds on a directory (flock on DIR/lock); released when destroyed or when the process ends.
/// Errors: Busy, with the holder's pid in the message.
Result<UniqueFd> lock_directory(const std::string& directory);

}  // namespace skymoor
