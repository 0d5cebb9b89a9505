// PowerLossDisk: files in memory that know what a power cut, or the end of the process, would leave of them.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "shared/base/file.h"

namespace skymoor::testing {

/// A file's bytes are durable as of its last sync, a directory's entries as of its last sync_directory; directories are
/// always there. Thread-safe, for one caller at a time that changes something. Outlives its files.
class PowerLossDisk final : public Disk {
 public:
  /// Called before every step that changes something, on the thread that makes it, with nothing locked.
  std::function<void()> before_step = [] {};

  /// Another disk, as a power cut now would leave it: of what is not durable some is there and some is not, by sectors and
  /// in any order, as the kernel writes pages back.
  std::unique_ptr<PowerLossDisk> after_power_cut(std::mt19937_64& engine) const;
  /// Another disk, as the end of the process would leave it: everything is there, and what was not durable still is not.
  std::unique_ptr<PowerLossDisk> after_kill() const;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status make_directories(const std::string&, unsigned) override { return {}; }
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string&) override { return 1ull << 40; }
  bool exists(const std::string& path) override;
  Status fault(std::string_view, std::string_view) override { return {}; }

 private:
  class MemoryFile;
  /// A write, or with no bytes a new size.
  struct Change {
    std::uint64_t at = 0;
    Bytes bytes;
    bool resizes = false;
  };
  struct Node {
    Bytes bytes, durable;
    std::vector<Change> unsynced;      ///< lead from `durable` to `bytes`
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  static void apply(Bytes& bytes, const Change& change);
  static Bytes torn(const Node& node, std::mt19937_64& engine);

  mutable std::mutex mutex_;
  // Guarded by mutex_, the nodes too.
  Names live_, durable_;
};

}  // namespace skymoor::testing
