// Applier: puts commits into the store, this device's own and those of others.
#pragma once
#include "fuse/cache/backing_store.h"
#include "fuse/sync/progress.h"
#include "fuse/sync/restore/history_file.h"
#include "fuse/sync/sync_state.h"

namespace skymoor::client {

/// Used by the sync thread alone.
class Applier {
 public:
  /// Told of directories that were listed and are not any more. Never blocks.
  using ListAgain = std::function<void(const std::vector<InodeId>& directories)>;
  Applier(MetadataStore& store, BackingStore& backing, SyncState& state, SyncStateFile& file, TreeListener& listener,
          Progress& progress, HistoryFile& history, ListAgain list_again)
      : store_(store), backing_(backing), state_(state), file_(file), listener_(listener), progress_(progress),
        history_(history), list_again_(std::move(list_again)) {}

  struct Own {
    Lsn up_to;
    Aliases made;                  ///< what planning its records added
    unsigned conflict_names = 0;
  };
  /// The server holds the records up to `own.up_to`.
  Status apply_own(Sequence sequence, const Hash256& hash, const std::vector<TreeEffect>& effects, const Own& own);
  /// The same for records that come to nothing.
  Status acknowledge(const Own& own);
  Status apply_foreign(Sequence sequence, const Hash256& hash, const std::vector<TreeEffect>& effects);

  /// Takes over what the server has after it was put back from a backup.
  Status adopt(const MetadataStore::Adoption& adoption);

  /// A foreign change met something pending: the visible tree has to be planned anew before anything else.
  bool rebase_needed() const { return rebase_needed_; }
  void need_rebase() { rebase_needed_ = true; }
  void rebase_done() { rebase_needed_ = false; }
  void show(const VisibleChanges& changes);

 private:
  void plan_the_rest(const Own& own, const std::vector<TreeEffect>& effects);
  Status remember(const Own& own, const std::vector<TreeEffect>& effects);
  void remove_merged(const Own& own);
  Status forget_aliases();

  MetadataStore& store_;
  BackingStore& backing_;
  SyncState& state_;
  SyncStateFile& file_;
  TreeListener& listener_;
  Progress& progress_;
  HistoryFile& history_;
  const ListAgain list_again_;
  bool rebase_needed_ = false;
};

}  // namespace skymoor::client
