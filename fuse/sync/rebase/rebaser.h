// Rebaser: makes the visible tree anew from the confirmed one and what is pending.
#pragma once
#include <map>

#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"
#include "fuse/sync/rebase/content_comparer.h"
#include "fuse/sync/sync_engine.h"
#include "fuse/sync/sync_state.h"

namespace skymoor::client {

/// Runs when a foreign change met something pending. Plans everything pending once to see where contents must go and
/// which files may hold the same bytes; then lets the store do it again under its lock, while the backing files that
/// change hands are frozen. Used by the sync thread alone. Failure: the visible tree stays as it was, but for
/// Outcome::files.
class Rebaser {
 public:
  struct Dependencies {
    MetadataStore& store;
    BackingStore& backing;
    ContentComparer& comparer;
    const PlanContext& context;
    SyncState& state;
    SyncStateFile& file;
    TreeListener& listener;
  };
  explicit Rebaser(Dependencies dependencies) : d_(dependencies) {}

  struct Outcome {
    VisibleChanges changes;
    unsigned conflict_names = 0;
    /// What went wrong once the tree was planned and shown: files that have not followed yet. To be run again.
    Status files;
  };
  /// Names that are not known in directories that were not listed count as free: the pusher lists those directories
  /// before it commits, and a name that turns up then leads here again.
  /// `may_ask`: questions about equal contents may be answered anew (never while a commit's fate is unknown).
  Result<Outcome> run(bool may_ask, const CallOptions& options);
  /// After a crash between the rows and the backing files: gives each moved content its file, if it has not got it. Answers
  /// the moves whose rows were there.
  static Result<std::vector<ContentMove>> finish_moves(MetadataStore& store, BackingStore& backing,
                                                       const SyncState& state);
  /// Whether the rows of the noted moves were made: a process may have noted them and ended.
  static Result<bool> rows_stand(MetadataStore& store, const SyncState& state, const NotedMove& move);
  /// The state no longer names moves that were made, once the listener needs nobody to remember them.
  Status forget_moves();

 private:
  struct Survey;
  struct Frozen;
  class Witnessed;
  Result<bool> freeze(Survey& survey, Frozen& frozen);
  Result<Survey> survey(MetadataStore::Confirmed& confirmed);
  Result<bool> answer(const Survey& survey, MetadataStore::Confirmed& confirmed, const CallOptions& options);
  Status find_moves(Survey& survey);
  Result<std::vector<NotedMove>> noted(const std::vector<ContentMove>& moves);
  Status move_files();
  Error failed(Error error);
  static Result<bool> has_moved(BackingStore& backing, const NotedMove& move);
  static Status hand_over(BackingStore& backing, const NotedMove& move);
  static Status order_moves(std::vector<ContentMove>& moves);
  Status note_names(const std::vector<ContentMove>& moves, VisibleChanges& changes);
  Result<InodeId> visible_of(InodeId named);
  Result<std::vector<RowChange>> redo_one(Survey& survey, MetadataStore::Confirmed& confirmed, Overlay& tree,
                                          Aliases& known, const MutexLock& lock, const LogRecord& record);

  Dependencies d_;
  std::optional<Error> unsure_;   ///< why nothing is to be renamed until the next start
};

}  // namespace skymoor::client
