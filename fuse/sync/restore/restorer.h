// Restorer: what a device does when the server's history is not the one it knows.
#pragma once
#include "fuse/sync/connection.h"
#include "fuse/sync/feed/applier.h"
#include "fuse/sync/push/commit_sealer.h"
#include "fuse/sync/restore/give_back.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

/// Finds where the two histories part; has the server begin a new epoch if it has not; gives back what it lacks, commit
/// by commit; at last takes the confirmed tree over to the server's history. Nothing here changes before that last step,
/// which is one transaction: after a crash it starts anew, and finds done what it had done. The rules: RESTORE.md.
///
/// Used by the sync thread alone. What cannot be a restore (another volume, an empty one, a server that does not own up
/// to it) stops the engine for good, and changes nothing.
class Restorer {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    VolumeRemote& remote;
    FeedOpener& opener;
    Applier& applier;
    DirectoryFetcher& directories;
    Connection& connection;
    UploadContext& upload;
    const crypto::VolumeCipher& cipher;
    const CommitSealer& sealer;
    const crypto::KeyPair& device_key;
    const PlanContext& context;
    HistoryFile& history;
    Clock& clock;
    Disk* disk;
    std::string directory;
    std::size_t max_effects = 8000;
  };
  explicit Restorer(Dependencies dependencies);

  /// Errors: Offline, TimedOut, ... (again later); UnknownServer after stopping the engine. On success the feed can be
  /// read on.
  Status run(const CallOptions& options);
  /// Thread-safe. Contents that have come back since are left out.
  RestoreReport report();

 private:
  struct Episode;
  Error stop(std::string reason);
  Result<protocol::VolumeInfo> new_epoch(const protocol::VolumeInfo& info, const SyncPosition& at,
                                         const CallOptions& options);
  Status go_on_behind(const SyncPosition& at, const protocol::VolumeInfo& info);
  Status catch_up(Episode& episode, const CallOptions& options);
  /// One look at the server's tree: a commit, or the last step. True: done.
  Result<bool> step(Episode& episode, const CallOptions& options);
  Status send(Episode& episode, GiveBack& given, std::vector<TreeEffect> effects, const CallOptions& options);
  Status adopt(Episode& episode, const GiveBack& given, ServerTree& server, const std::vector<InodeId>& lost);
  std::vector<RestoreReport::Missing> name(const std::vector<GiveBack::Missing>& missing, MetadataStore::Confirmed& mine);
  void load();
  void save();

  Dependencies d_;
  Mutex mutex_{kRestoreReportRank, "sync.restore_report"};
  RestoreReport report_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
