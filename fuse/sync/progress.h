// Progress: counters and running transfers, for status and for people.
#pragma once
#include <atomic>
#include <map>
#include <memory>
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

  /// A file's bytes on their way, shown until the last who holds it lets go. Those of one file and direction are shown as
  /// one. Thread-safe; ends before the Progress.
  class Transfer {
   public:
    Transfer(Progress& progress, bool upload, InodeId inode, std::uint64_t total);
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    /// So many more are where they belong: stored at the server, or in the file here.
    void moved(std::uint64_t bytes);
    /// How many they are in all, when that was not known.
    void expect(std::uint64_t total);

   private:
    Progress& progress_;
    const std::pair<bool, InodeId> key_;
    bool listed_ = false;   ///< constant after construction
    // Guarded by the progress's lock.
    std::uint64_t total_ = 0;
  };
  std::shared_ptr<Transfer> begin(bool upload, InodeId inode, std::uint64_t total);
  bool uploading(InodeId inode);
  std::vector<TransferProgress> transfers();

 private:
  struct Listed {
    TransferProgress shown;
    std::size_t running = 0;
  };
  static constexpr std::size_t kMaxListed = 256;   ///< more run unseen
  Mutex mutex_{kProgressRank, "sync.progress"};
  std::map<std::pair<bool, InodeId>, Listed> running_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
