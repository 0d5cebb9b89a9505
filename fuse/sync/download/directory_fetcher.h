// DirectoryFetcher: listings and inodes from the server into the tables.
#pragma once
#include <atomic>
#include <memory>
#include <unordered_map>

#include "fuse/sync/connection.h"
#include "fuse/sync/download/flight.h"
#include "fuse/sync/lock_ranks.h"
#include "fuse/sync/sync_engine.h"
#include "shared/base/executor.h"

namespace skymoor::client {

/// Thread-safe; called by whoever needs something. A directory is listed once for all who ask for it meanwhile, by a thread of
/// the pool, and to its end: on a slow line it takes longer than anybody waits, and would begin anew with each who asks. One that
/// has not begun when the last has stopped waiting is dropped. Who has all the time there is (`Patience::kWhileItMoves`) lists by itself.
class DirectoryFetcher {
 public:
  struct Dependencies {
    MetadataStore& store;
    VolumeRemote& remote;
    const crypto::VolumeCipher& cipher;
    Connection& connection;
    TreeListener& listener;
    Clock& clock;
    Executor& pool;                  ///< stopped after `stop`
    std::function<void(const std::vector<InodeId>&)> unlisted;   ///< told of directories that were listed and are not any more; never blocks
    std::function<void()> listed;    ///< called when a listing has ended, whether anybody still waits for it or not; never blocks
  };
  explicit DirectoryFetcher(Dependencies dependencies) : d_(std::move(dependencies)) {}

  /// All pages of a directory. Errors: Stale (it is gone), NotDirectory, Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_directory(InodeId directory, const CallOptions& options);
  /// An inode's row and, for a file, its manifest. Errors: Stale (it is gone), Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_inode(InodeId inode, const CallOptions& options);
  /// Nobody waits any longer; what is being listed ends.
  void stop();
  /// True once after a listing has shown something that pending local changes did not know of: they must be planned anew.
  bool take_replan() { return replan_.exchange(false); }
  bool replan_wanted() const { return replan_; }
  /// A row out of what the server says of an inode.
  Result<MetadataStore::ListedRow> open_row(const InodeRecord& record, InodeId parent) const;
  /// The same with its name.
  Result<MetadataStore::ListedRow> open_entry(const ListedEntry& entry, InodeId directory) const;

 private:
  std::pair<std::shared_ptr<Flight>, bool> join(InodeId directory);
  Status begin(InodeId directory, const CallOptions& options);
  bool drop_unawaited(InodeId directory);
  void list(InodeId directory, const std::stop_token& stop);
  Status list_to_the_end(InodeId directory, const std::stop_token& stop);
  void land(InodeId directory, const Status& outcome);
  Status fetch_pages(InodeId directory, const CallOptions& options);
  Status check_epoch(Epoch epoch) const;
  void show(const VisibleChanges& changes);

  const Dependencies d_;
  std::atomic<bool> replan_{false};
  std::stop_source stopping_;
  Mutex mutex_{kListingsRank, "sync.listings"};
  CondVar ended_;
  std::unordered_map<InodeId, std::shared_ptr<Flight>> flights_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
