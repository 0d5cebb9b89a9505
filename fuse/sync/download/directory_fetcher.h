// DirectoryFetcher: listings and inodes from the server into the tables.
#pragma once
#include "fuse/sync/connection.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

/// Thread-safe: holds nothing between calls; called by whoever needs something.
class DirectoryFetcher {
 public:
  DirectoryFetcher(MetadataStore& store, VolumeRemote& remote, const crypto::VolumeCipher& cipher,
                   Connection& connection, TreeListener& listener)
      : store_(store), remote_(remote), cipher_(cipher), connection_(connection), listener_(listener) {}

  /// All pages of a directory. Errors: Stale (it is gone), NotDirectory, Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_directory(InodeId directory, const CallOptions& options);
  /// An inode's row and, for a file, its manifest. Errors: Stale (it is gone), Offline, TimedOut, Cancelled, Corrupt.
  Status fetch_inode(InodeId inode, const CallOptions& options);
  /// A row out of what the server says of an inode.
  Result<MetadataStore::ListedRow> open_row(const InodeRecord& record, InodeId parent) const;

 private:
  Status fetch_pages(InodeId directory, const CallOptions& options);
  Result<MetadataStore::ListedRow> open_entry(const ListedEntry& entry, InodeId directory) const;
  void show(const VisibleChanges& changes);

  MetadataStore& store_;
  VolumeRemote& remote_;
  const crypto::VolumeCipher& cipher_;
  Connection& connection_;
  TreeListener& listener_;
};

}  // namespace skymoor::client
