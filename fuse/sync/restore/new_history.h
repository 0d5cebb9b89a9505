// NewHistory: where the server's history leaves the one known here, and what has happened in it since.
#pragma once
#include <optional>
#include <set>
#include <unordered_map>

#include "fuse/sync/feed/feed_opener.h"
#include "fuse/sync/plan/tree_view.h"
#include "fuse/sync/restore/history_file.h"

namespace skymoor::client {

/// Reads the feed of the server's new epoch without applying it. Trusts it as the puller does: chain and signatures are
/// checked. Used by the sync thread alone, for one restore.
class NewHistory {
 public:
  struct Dependencies {
    VolumeRemote& remote;
    FeedOpener& opener;
    MetadataStore& store;
    const crypto::VolumeCipher& cipher;
  };
  /// `ended`: the epoch in which this device was.
  NewHistory(Dependencies dependencies, Epoch ended, Epoch epoch) : d_(dependencies), ended_(ended), epoch_(epoch) {}

  struct Parting {
    Sequence sequence;   ///< the newest at which both are known to be one
    Hash256 hash;
    bool exact = true;   ///< false: not known so exactly; they may be one for longer
  };
  /// Errors: those of the feed.
  Result<Parting> part(const HistoryFile& known, const SyncPosition& at, const protocol::VolumeInfo& info,
                       const CallOptions& options);

  /// What happened to an inode since.
  struct Touches {
    /// Sequence of the ended epoch up to which somebody has given the inode's history back.
    Sequence given_back;
    // By new work, not by giving back.
    bool content = false, attributes = false, names = false, xattrs = false;
    std::optional<Place> linked;   ///< where it was linked last
  };
  /// Reads on up to the head. Errors: those of the feed; Corrupt, BadSignature.
  Status read_on(const Parting& from, const CallOptions& options);
  const Touches& touches(InodeId inode) const;

 private:
  Status take(const FeedEntry& entry, NameFinder& names, const CallOptions& options);

  Dependencies d_;
  const Epoch ended_, epoch_;
  SyncPosition at_;
  bool begun_ = false;
  std::unordered_map<InodeId, Touches> touches_;
};

}  // namespace skymoor::client
