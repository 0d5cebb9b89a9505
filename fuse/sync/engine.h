// RunningSync: the SyncEngine put together. Private to the room.
#pragma once
#include <thread>

#include "fuse/sync/download/content_fetcher.h"
#include "fuse/sync/download/directory_walk.h"
#include "fuse/sync/download/prefetcher.h"
#include "fuse/sync/push/commit_pace.h"
#include "fuse/sync/push/pusher.h"
#include "fuse/sync/restore/restorer.h"
#include "fuse/remote/backoff.h"
#include "fuse/sync/waiting.h"

namespace skymoor::client {

/// Uploading runs beside the user's own work, and gives way to it: the bytes are safe on this disk already.
inline constexpr int kUploadNice = 10;

/// One sync thread runs the rounds:
///
///   wait (wake, head, timer) -> greet (first contact) -> pull [-> re-plan] -> gather -> push -> wait
///        ^                          |                        |                          |
///        +------- back off <--------+-- not reached ---------+--------------------------+
///   pull -> restore (the server was put back from a backup) -> pull
///   any -> stopped: the server's history is not what this device knows; a person must decide
///
/// Everything under "sync thread" is touched by that thread alone. Fetches run on their callers' threads and the pool.
class RunningSync final : public SyncEngine {
 public:
  /// Whose device key it has: the store's device's, or already that of the one that follows it.
  enum class Key { kOwn, kNext };
  RunningSync(Dependencies dependencies, Options options, Key key = Key::kOwn);
  ~RunningSync() override { stop(); }
  Status begin();
  Status take_in_alone(const CallOptions& options);

  Status step() override;
  void wake() override;
  void connect_now() override;
  Status sync_to(Lsn lsn, Instant deadline, std::stop_token stop, std::optional<std::uint64_t> since) override;
  std::uint64_t rounds() override;
  Status catch_up(Instant deadline, std::stop_token stop) override;
  bool online() override { return connection_.online(); }
  bool makes_room() override;
  Status make_room(Instant deadline, std::stop_token stop) override;
  Status fetch_directory(InodeId directory, Instant deadline, std::stop_token stop) override;
  Status fetch_inode(InodeId inode, Instant deadline, std::stop_token stop) override;
  Status fetch_content(InodeId inode, Extent extent, Instant deadline, std::stop_token stop) override;
  void prefetch(InodeId inode, Extent extent) override;
  SyncStatus status() override;
  std::string state_of(InodeId inode) override;
  std::optional<protocol::VolumeInfo> volume_info() override;
  void stop() override;

 private:
  // sync_loop.cc, on the sync thread
  void run(std::stop_token stop);
  void forget_moves();
  Status round(const CallOptions& options);
  Status greet(const CallOptions& options);
  Status start_mirror(const protocol::VolumeInfo& info, const CallOptions& options);
  Status push_all(const CallOptions& options);
  void clean_up();
  Status count_replan();
  Status pull(const CallOptions& options);
  Status compare_heads(const CallOptions& options);
  Status restore(const CallOptions& options);
  Status take_in(const CallOptions& options);
  bool has_news(const MutexLock&) const REQUIRES(mutex_) { return head_ > taken_in_ && head_.value > shown_; }
  bool note_news();
  Result<bool> take_news(const CallOptions& options);
  Status show(const CallOptions& options);
  bool gather(Instant latest, const std::stop_token& stop);
  void rest(const Status& outcome, const std::stop_token& stop);
  Status refresh_info(const CallOptions& options);
  bool never_synced();
  void heard_of(Sequence head);
  void look_again();
  void list_again(const std::vector<InodeId>& directories);
  /// Everything up to the cursor has been told to the listener.
  void note_shown() { shown_ = d_.store.position().cursor.value; }
  Status until(const std::function<bool()>& done, Instant deadline, const std::stop_token& stop,
               std::optional<std::uint64_t> since = {});
  CallOptions call_options(Instant deadline, std::stop_token stop) const;
  Status answer(Status status) const;

  // Constant after construction.
  const Dependencies d_;
  const Options options_;
  const crypto::VolumeCipher cipher_;
  const block::Chunker chunker_;
  const PlanContext context_;
  const CommitSealer sealer_;

  // Own synchronisation.
  std::atomic<bool> reconnected_{false};   ///< the server has been away: it may have come back as another
  Connection connection_;
  Progress progress_;
  Throttle upload_throttle_, download_throttle_;
  KnownBlocks known_;
  Executor sealers_, senders_, fetchers_;
  BlockReader blocks_;
  Executor listers_;
  DirectoryFetcher directories_;
  ContentFetcher contents_;
  std::unique_ptr<Prefetcher> prefetcher_;
  std::unique_ptr<DirectoryWalk> walk_;

  std::atomic<std::uint64_t> shown_{0};   ///< sequence up to which the listener knows all

  std::atomic<bool> uncleaned_{false};     ///< something acknowledged may not be evicted yet
  std::atomic<bool> room_wanted_{false};   ///< the disk is full: that comes first
  std::atomic<std::uint64_t> cleanings_{0};

  // Sync thread.
  SyncStateFile state_file_;
  HistoryFile history_;
  SyncState state_;
  std::optional<Outstanding> outstanding_;
  UploadContext upload_;
  ContentPreparer preparer_;
  ContentComparer comparer_;
  BatchContents batch_contents_;
  BaseCheck bases_;
  FeedOpener opener_;
  Applier applier_;
  Rebaser rebaser_;
  Puller puller_;
  Pusher pusher_;
  Restorer restorer_;            ///< its report: own synchronisation
  Backoff backoff_;
  CommitPace pace_;
  bool greeted_ = false, troubled_ = false;   ///< troubled: the last round failed
  int replans_ = 0;              ///< in a row, without a commit, anything new in the feed, or a batch that became old
  Sequence replanned_at_;
  Instant next_info_{};

  // Guarded by mutex_.
  Mutex mutex_{kSyncThreadRank, "sync.thread"};
  CondVar changed_;              ///< wakes the sync thread and those who wait for it
  bool woken_ GUARDED_BY(mutex_) = true, urgent_ GUARDED_BY(mutex_) = false;
  bool settled_down_ GUARDED_BY(mutex_) = false;   ///< the last round ended in an error that waiting may cure
  Instant last_wake_ GUARDED_BY(mutex_){};
  Sequence head_ GUARDED_BY(mutex_), taken_in_ GUARDED_BY(mutex_);   ///< heard of; and when the feed was last read
  std::uint64_t begun_ GUARDED_BY(mutex_) = 0, rounds_ GUARDED_BY(mutex_) = 0;   ///< rounds that began, and that ended
  std::optional<Error> trouble_ GUARDED_BY(mutex_);   ///< why the last round did not get through
  std::optional<protocol::VolumeInfo> info_ GUARDED_BY(mutex_);

  std::unique_ptr<VolumeRemote::Subscription> subscription_;
  std::jthread thread_;
};

}  // namespace skymoor::client
