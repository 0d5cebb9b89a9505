// BaseCheck: whether a change was made on the history that it stands in, and stands in it once.
#pragma once
#include <deque>

#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"
#include "shared/model/change.h"

namespace skymoor::client {

/// A commit says on which place of the chain it was planned, and what the chain's hash was there; with its key proof that is
/// its author's word. A server that shows an old commit once more has to show it after the first time, and between its base
/// and there: looking through what lies between finds it. Nearly always that is nothing, or among the newest changes, which
/// are kept here; else the feed is read again, whose hashes lead from the base to where this device is, or do not.
///
/// Used by the sync thread alone. Takes memory for `kKept` changes. Durability: none; it begins empty.
class BaseCheck {
 public:
  static constexpr std::size_t kKept = 4096;
  explicit BaseCheck(VolumeRemote& remote) : remote_(&remote) {}

  /// The change after `before` was taken.
  void note(const SyncPosition& before, Sequence sequence, const Hash256& hash, OpId op);
  /// `commit` follows `at`. Errors: Corrupt (another history, or a change that is in it already), those of the server.
  Status check(const Commit& commit, const SyncPosition& at, const CallOptions& options);

 private:
  struct Change {
    Sequence sequence;
    Hash256 before, hash;
    OpId op;
  };
  bool covers(Sequence base, const SyncPosition& at) const;
  Status check_in_feed(const Commit& commit, const SyncPosition& at, const CallOptions& options);

  VolumeRemote* remote_;
  std::deque<Change> changes_;   ///< without gaps
};

}  // namespace skymoor::client
