// Progress: counters and running transfers, for status and for people.
#pragma once
#include <atomic>
#include <map>
#include <unordered_set>
#include <vector>

#include "fuse/sync/lock_ranks.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

/// Thread-safe.
class Progress {
 public:
  std::atomic<std::uint64_t> uploaded_bytes{0}, downloaded_bytes{0};
  std::atomic<std::uint64_t> uploaded_blocks{0}, downloaded_blocks{0}, deduplicated_blocks{0};
  std::atomic<std::uint64_t> conflicts{0};

  void begin(bool upload, InodeId inode, std::uint64_t total);
  void add(bool upload, InodeId inode, std::uint64_t bytes);
  void end(bool upload, InodeId inode);
  bool uploading(InodeId inode);
  std::vector<TransferProgress> transfers();

 private:
  static constexpr std::size_t kMaxListed = 256;
  Mutex mutex_{kProgressRank, "sync.progress"};
  std::map<std::pair<bool, InodeId>, TransferProgress> running_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
