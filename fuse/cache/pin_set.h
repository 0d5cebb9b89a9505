// PinSet: the files and directories that the user wants to have here always.
#pragma once
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "shared/base/file.h"
#include "shared/base/ids.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

/// Inodes, each meaning itself and all that is below it. Thread-safe. Kept in one small file (README.md, "Pins"), which is
/// written anew with every change.
class PinSet {
 public:
  static constexpr std::size_t kMaxPins = 10'000;

  /// Errors: Corrupt, Io.
  static Result<std::unique_ptr<PinSet>> open(Disk& disk, const std::string& file);

  /// Durability: on return the pin survives a power cut. Errors: TooLarge (kMaxPins), NoSpace, Io; nothing has changed then.
  Status add(InodeId inode);
  /// Errors: NotFound, NoSpace, Io.
  Status remove(InodeId inode);
  bool contains(InodeId inode) const;
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  std::vector<InodeId> all() const;

 private:
  PinSet(Disk& disk, std::string file, std::set<InodeId> pins);
  Status replace(const MutexLock& writing, std::set<InodeId> pins);

  // Constant after construction.
  Disk& disk_;
  const std::string file_;
  // Own synchronisation.
  std::atomic<std::size_t> count_;
  /// Held while the file is written: one change at a time. Never taken by readers.
  Mutex writing_;
  // Guarded by mutex_.
  mutable Mutex mutex_;
  std::set<InodeId> pins_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
