// PinKeeper: gets here, and keeps up with, everything that is pinned.
#pragma once
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fuse/cache/pin_set.h"
#include "fuse/sync/lock_ranks.h"
#include "fuse/sync/sync_engine.h"
#include "shared/base/executor.h"

namespace skymoor::client {

/// Among the sync room's own ranks, behind those of the engine that it calls.
inline constexpr LockRank kPinKeeperRank = 45900;

/// One thread, and four for fetching. Thread-safe. What is pinned is not evicted whether the keeper runs or not; that is
/// PinnedBackingStore's business.
///
///   asleep --(pin, start, feed, a while after local changes)--> looking --> asleep
///                                                                  |
///                                   paused (5 s, doubling to 5 min) <-- offline, disk full
///
/// Without pins it sleeps until there is one. A pass goes through the pinned trees, lists directories that were not
/// listed, and fetches files that are not whole; what the feed brings is looked at by itself. Owned by app; goes before the
/// engine. Failure: what cannot be fetched is left for the next pass, and `view` says why.
class PinKeeper {
 public:
  struct Options {
    std::uint64_t reserve_bytes = 256u << 20;        ///< of the state disk: pinned files leave that much free
    std::chrono::milliseconds gather{200};           ///< what the feed brings is collected for so long
    std::chrono::milliseconds look_again{600'000};   ///< local moves into pinned trees are found after this
    std::chrono::milliseconds first_pause{5000};     ///< after a failure; doubles
  };
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    SyncEngine& engine;
    PinSet& pins;
    Clock& clock;
  };
  PinKeeper(Dependencies dependencies, Options options);
  ~PinKeeper();

  /// Durability: on return the pin survives a power cut; fetching goes on after a restart. Errors: NotFound (no such
  /// inode), and PinSet's.
  Status pin(InodeId inode);
  /// Errors: NotFound.
  Status unpin(InodeId inode);
  /// What the feed or a listing changed. Never blocks.
  void tree_changed(const VisibleChanges& changes);

  struct Pin {
    InodeId inode;
    std::string path;
    std::uint64_t files = 0, bytes = 0, missing_files = 0, missing_bytes = 0;
    std::uint64_t unlisted = 0;      ///< directories whose names are not here
  };
  struct View {
    std::vector<Pin> pins;
    bool settled = false;            ///< all that is known to be wanted has been fetched
    std::string trouble;             ///< why not
  };
  /// `count`: goes through the pinned trees for the numbers; else they are left at 0.
  View view(bool count);
  /// For tests: passes made so far.
  std::uint64_t passes();

 private:
  struct Walk;
  /// What was heard of and not looked at.
  struct News {
    std::set<InodeId> inodes, directories;   ///< changed; listed for the first time
    std::set<std::pair<InodeId, std::string>> names;
    std::size_t size() const { return inodes.size() + directories.size() + names.size(); }
  };
  void run(const std::stop_token& stop);
  Status pass(const std::stop_token& stop);
  Status look_at(const News& news, const std::stop_token& stop);
  Status fetch_below(InodeId top, const std::stop_token& stop);
  Status fetch_batch(const std::vector<InodeId>& files, const std::stop_token& stop);
  Status fetch_file(InodeId inode, const std::stop_token& stop);
  Status check_room(std::uint64_t bytes);
  bool is_pinned(InodeId inode);
  void count_into(Pin& pin);

  // Constant after construction.
  const Dependencies d_;
  const Options options_;
  // Keeper's thread.
  std::chrono::milliseconds pause_;   ///< after the next failure
  std::optional<Error> damaged_;   ///< of this pass: a file that could not be fetched, while others can
  Executor fetchers_;
  // Guarded by mutex_.
  Mutex mutex_{kPinKeeperRank, "sync.pins"};
  CondVar changed_;
  bool pass_wanted_ GUARDED_BY(mutex_) = false;
  bool looking_ GUARDED_BY(mutex_) = false;
  News news_ GUARDED_BY(mutex_);
  Instant not_before_ GUARDED_BY(mutex_){};
  Instant next_look_ GUARDED_BY(mutex_){};
  Lsn seen_ GUARDED_BY(mutex_);                 ///< newest local record at the last pass
  std::uint64_t passes_ GUARDED_BY(mutex_) = 0;
  std::string trouble_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace skymoor::client
