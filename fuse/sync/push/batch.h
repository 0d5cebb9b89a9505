// Batch: a prefix of the pending records, planned.
#pragma once
#include <memory>
#include <set>

#include "fuse/sync/confirmed_view.h"
#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"

namespace skymoor::client {

/// The records after `acknowledged` up to `cut`, planned in order on the confirmed tree. Grows at its end only, record
/// by record: what it holds is always a prefix of this device's history. Used by the sync thread alone.
class Batch {
 public:
  struct Limits {
    std::size_t records = 4000;
    std::size_t effects = kMaxCommitEffects - 1000;   ///< room for what one more record may add
    std::size_t reads = kMaxCommitReads - 1000;
    std::size_t bytes = kMaxCommitBytes - (2u << 20);
  };
  using Unlisted = ConfirmedView::Unlisted;
  static Result<std::unique_ptr<Batch>> open(MetadataStore& store, const Aliases& known, const PlanContext& context,
                                             Unlisted unlisted = Unlisted::kAsk);

  /// Plans further records until `up_to` or a limit. Errors: NotPresent (see `lacking`), Internal, Io.
  Status extend(Lsn up_to, const Limits& limits);
  bool full(const Limits& limits) const;
  Lsn cut() const { return cut_; }
  std::size_t records() const { return records_; }

  Overlay& tree() { return tree_; }
  const std::set<PlannedRead>& reads() const { return reads_; }
  const Aliases& made() const { return made_; }      ///< what these records add to the aliases
  const std::vector<InodeId>& late_births() const { return late_births_; }
  unsigned conflict_names() const { return conflict_names_; }
  std::optional<InodeId> lacking() const { return view_.lacking(); }
  /// What the server has of a file, as far as that is known here. Not once it was abandoned.
  Result<Bytes> confirmed_manifest(InodeId inode) { return std::move(TRY(confirmed_->content(inode)).manifest); }
  /// Lets go of the snapshot that it was planned on, which keeps the database's log from starting over: only the cut, what
  /// was counted and what was wanted are of use afterwards. Not to be extended any more.
  void abandon() { confirmed_.reset(); }

 private:
  Batch(MetadataStore& store, std::unique_ptr<MetadataStore::Confirmed> confirmed, Aliases known,
        const PlanContext& context, Unlisted unlisted)
      : store_(store), context_(context), confirmed_(std::move(confirmed)), view_(*confirmed_, unlisted), tree_(view_),
        known_(std::move(known)) {}
  Status add(const LogRecord& record);

  MetadataStore& store_;
  const PlanContext& context_;
  std::unique_ptr<MetadataStore::Confirmed> confirmed_;
  ConfirmedView view_;
  Overlay tree_;
  Aliases known_, made_;
  Lsn cut_;
  std::size_t records_ = 0;
  std::set<PlannedRead> reads_;
  std::vector<InodeId> late_births_;
  unsigned conflict_names_ = 0;
};

}  // namespace skymoor::client
