// DirectoryFetcher: listings and inodes from the server into the tables.
#pragma once
#include <atomic>
#include <unordered_set>

#include "fuse/sync/connection.h"
#include "fuse/sync/lock_ranks.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

/// Thread-safe; called by whoever needs something.
class DirectoryFetcher {
 public:
  DirectoryFetcher(MetadataStore& store, VolumeRemote& remote, const crypto::VolumeCipher& cipher,
                   Connection& connection, TreeListener& listener, Clock& clock)
      : store_(store), remote_(remote), cipher_(cipher), connection_(connection), listener_(listener), clock_(clock) {}

  /// All pages of a directory. Errors: Stale (it is gone), NotDirectory, Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_directory(InodeId directory, const CallOptions& options);
  /// An inode's row and, for a file, its manifest. Errors: Stale (it is gone), Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_inode(InodeId inode, const CallOptions& options);
  /// True once after a listing has shown something that pending local changes did not know of: they must be planned anew.
  bool take_replan() { return replan_.exchange(false); }
  bool replan_wanted() const { return replan_; }
  /// A row out of what the server says of an inode.
  Result<MetadataStore::ListedRow> open_row(const InodeRecord& record, InodeId parent) const;
  /// The same with its name.
  Result<MetadataStore::ListedRow> open_entry(const ListedEntry& entry, InodeId directory) const;

 private:
  Result<bool> begin_listing(InodeId directory, const CallOptions& options);
  void end_listing(InodeId directory);
  Status fetch_pages(InodeId directory, const CallOptions& options);
  Status check_epoch(Epoch epoch) const;
  void show(const VisibleChanges& changes);

  MetadataStore& store_;
  VolumeRemote& remote_;
  const crypto::VolumeCipher& cipher_;
  Connection& connection_;
  TreeListener& listener_;
  Clock& clock_;
  std::atomic<bool> replan_{false};
  Mutex mutex_{kListingsRank, "sync.listings"};
  CondVar ended_;
  std::unordered_set<InodeId> listing_ GUARDED_BY(mutex_);   ///< by somebody, now
};

}  // namespace skymoor::client
