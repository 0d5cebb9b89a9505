// Filesystem's Fetcher over the sync engine, and the engine's TreeListener over filesystem and channel.
#pragma once
#include "fuse/app/mount/lock_ranks.h"
#include "fuse/channel/channel.h"
#include "fuse/filesystem/stable_nodes.h"
#include "fuse/sync/pin/pin_keeper.h"
#include "fuse/sync/sync_engine.h"

namespace skymoor::client {

/// Thread-safe. The engine comes after the filesystem that needs it: unbound (before, and at the end), whatever needs the
/// server is Offline.
class SyncFetcher final : public Fetcher {
 public:
  SyncFetcher() : mutex_(kFetcherRank, "app.fetcher") {}
  void bind(std::shared_ptr<SyncEngine> engine);
  /// What the server said about space at an earlier mount, until it says something new.
  void remember(const VolumeStatistics& statistics);

  Status fetch(const Need& need, Instant deadline, std::stop_token stop) override;
  void prefetch(InodeId inode, Extent extent) override;
  bool online() override;
  bool makes_room() override;
  VolumeStatistics volume_statistics() override;
  void changed() override;
  Status sync_remote(Lsn lsn, Instant deadline, std::stop_token stop) override;
  std::string state_of(InodeId inode) override;

 private:
  std::shared_ptr<SyncEngine> engine();

  Mutex mutex_;
  std::shared_ptr<SyncEngine> engine_ GUARDED_BY(mutex_);
  VolumeStatistics remembered_ GUARDED_BY(mutex_);
};

/// What a volume's sizes mean for statfs: a quota is the size of the disk; without one it is what is stored plus what the
/// server has room for.
VolumeStatistics statistics_of(const protocol::VolumeInfo& info);

/// Thread-safe. Passes changes on to who is there.
class TreeFanout final : public TreeListener {
 public:
  explicit TreeFanout(StableNodes& filesystem) : filesystem_(filesystem), mutex_(kFanoutRank, "app.fanout") {}
  void bind(std::shared_ptr<Channel> channel);
  /// The keeper outlives its binding; nullptr ends it, and waits for a call that is under way.
  void bind(PinKeeper* pins);
  void tree_changed(const VisibleChanges& changes) override;
  Status contents_come(const Filesystem::Coming& coming) override { return filesystem_.claim_unseen(coming); }
  Status moves_begin(const std::vector<ContentMove>& moves) override { return filesystem_.moves_begin(moves); }
  void rows_moved(const MutexLock& lock, const std::vector<ContentMove>& moves) override {
    (void)filesystem_.rows_moved(lock, moves);
  }
  void moves_end() override { filesystem_.files_moved(); }
  Status moves_kept() override { return filesystem_.moves_kept(); }

 private:
  StableNodes& filesystem_;
  Mutex mutex_;
  std::shared_ptr<Channel> channel_ GUARDED_BY(mutex_);
  Mutex pins_mutex_{kPinFanoutRank, "app.pin_fanout"};
  PinKeeper* pins_ GUARDED_BY(pins_mutex_) = nullptr;
};

}  // namespace skymoor::client
