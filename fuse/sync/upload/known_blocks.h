// KnownBlocks: ids of blocks that the server is known to hold.
#pragma once
#include <unordered_set>
#include <utility>

#include "fuse/sync/lock_ranks.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// Thread-safe, bounded: when the young half is full it becomes the old one, and the old one is forgotten.
class KnownBlocks {
 public:
  explicit KnownBlocks(std::size_t limit = 200000) : half_(limit / 2) {}
  bool contains(const BlockId& id) {
    MutexLock lock(mutex_);
    return young_.contains(id) || old_.contains(id);
  }
  void add(const BlockId& id) {
    MutexLock lock(mutex_);
    young_.insert(id);
    if (young_.size() < half_) return;
    old_ = std::exchange(young_, {});
  }
  /// The server says otherwise: everything is asked for again.
  void clear() {
    MutexLock lock(mutex_);
    young_.clear();
    old_.clear();
  }

 private:
  const std::size_t half_;
  Mutex mutex_{kKnownBlocksRank, "sync.known_blocks"};
  std::unordered_set<BlockId> young_ GUARDED_BY(mutex_), old_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
