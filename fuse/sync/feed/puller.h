// Puller: brings this device up to the server's head.
#pragma once
#include "fuse/sync/connection.h"
#include "fuse/sync/download/directory_fetcher.h"
#include "fuse/sync/feed/applier.h"
#include "fuse/sync/feed/feed_opener.h"
#include "fuse/sync/push/batch.h"
#include "fuse/sync/rebase/rebaser.h"

namespace skymoor::client {

/// A commit of this device whose answer has not come, or not yet been taken in.
struct Outstanding {
  OpId op;
  Applier::Own own;
};

/// Used by the sync thread alone. Failure: what was applied stays applied; what is wrong with the server's history stops
/// the engine for good, and removes nothing here.
class Puller {
 public:
  struct Dependencies {
    MetadataStore& store;
    VolumeRemote& remote;
    FeedOpener& opener;
    Applier& applier;
    Rebaser& rebaser;
    DirectoryFetcher& directories;
    Connection& connection;
    const crypto::VolumeCipher& cipher;
    const PlanContext& context;
    SyncState& state;
    SyncStateFile& state_file;
    std::optional<Outstanding>& outstanding;
  };
  explicit Puller(Dependencies dependencies) : d_(dependencies) {}

  /// Applies everything after the cursor; re-plans where it met pending changes. Answers how many entries there were.
  /// Errors: Offline, TimedOut, ...; Resync (the server's history is not the one known here: see Restorer);
  /// UnknownServer after stopping the engine.
  Result<std::size_t> pull(const CallOptions& options);
  /// Plans the visible tree anew if a change has made that necessary (or `force`).
  Status rebase_if_needed(const CallOptions& options, bool force = false);
  Sequence head() const { return head_; }

 private:
  Status check(const FeedPage& page, const SyncPosition& at);
  Status take(const FeedEntry& entry, NameFinder& names, const CallOptions& options);
  Result<Applier::Own> own_commit(OpId op);
  Error stop(std::string reason);
  Error stop_as_copied();

  Dependencies d_;
  Sequence head_;
};

}  // namespace skymoor::client
