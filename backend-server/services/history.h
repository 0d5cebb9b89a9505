// HistoryService: what a volume keeps of the past: replaced versions, and what was deleted.
#pragma once
#include "backend-server/services/caller.h"
#include "shared/model/history.h"

namespace skymoor::server {

class MetadataStore;

struct VersionRequest {
  VolumeId volume;
  InodeId inode;
  Sequence before;                      ///< `next` of the page before; 0: from the newest
  std::size_t limit = 1000;             ///< at most kMaxListedEntries
};
struct TrashRequest {
  VolumeId volume;
  InodeId directory;
  NameToken token;                      ///< zeros: all names
  Bytes after;                          ///< `next` of the page before; empty: from the start
  std::size_t limit = 1000;             ///< at most kMaxListedEntries
  std::size_t max_bytes = 4u << 20;     ///< stop early rather than build a larger page
};

/// Reads only, each page from one snapshot, for every member. Thread-safe; keeps no state. A directory's trash can be
/// asked for when the directory itself is deleted.
class HistoryService {
 public:
  explicit HistoryService(MetadataStore& store) : store_(store) {}

  /// Errors: NotFound (volume; an inode that never was).
  Result<VersionPage> versions(const Caller& caller, const VersionRequest& request);
  /// The sealed manifest of one version. Errors: NotFound.
  Result<Bytes> manifest(const Caller& caller, const VolumeId& volume, InodeId inode, Sequence version);
  /// Errors: NotFound (volume), InvalidArgument (cursor).
  Result<TrashPage> trash(const Caller& caller, const TrashRequest& request);

 private:
  MetadataStore& store_;  ///< constant after construction
};

}  // namespace skymoor::server
