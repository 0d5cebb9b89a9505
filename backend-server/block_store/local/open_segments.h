// OpenSegments: descriptors of segments that are being read. Private to this room.
#pragma once
#include <list>
#include <memory>
#include <unordered_map>

#include "shared/base/file.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

/// Keeps the `limit` segments read last open. Thread-safe; opens outside the lock. A file stays readable for those who
/// hold it when it is forgotten or deleted.
class OpenSegments {
 public:
  OpenSegments(Disk& disk, std::string directory, std::size_t limit)
      : disk_(disk), directory_(std::move(directory)), limit_(limit), mutex_(kRank, "block_store.open_segments") {}

  /// Errors: NotFound when the segment is gone; others of open(2).
  Result<std::shared_ptr<File>> open(std::uint32_t number);
  void forget(std::uint32_t number);

 private:
  static constexpr LockRank kRank = 40020;
  struct Kept {
    std::shared_ptr<File> file;
    std::list<std::uint32_t>::iterator by_use;
  };
  std::shared_ptr<File> find(std::uint32_t number);

  Disk& disk_;
  const std::string directory_;
  const std::size_t limit_;
  Mutex mutex_;
  std::unordered_map<std::uint32_t, Kept> kept_ GUARDED_BY(mutex_);
  std::list<std::uint32_t> by_use_ GUARDED_BY(mutex_);  ///< least recently used first
};

}  // namespace skymoor::server
