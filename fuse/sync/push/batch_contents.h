// BatchContents: the contents that a batch publishes, as they were at its cut.
#pragma once
#include <unordered_map>

#include "fuse/sync/push/batch.h"
#include "fuse/sync/upload/content_preparer.h"

namespace skymoor::client {

/// Reads and uploads what the batch's files hold. A file that has changed past the cut pulls the cut forward, so that the
/// commit stays a prefix of history; one that never rests is copied while its writers wait.
///
/// What others send meanwhile does not wait for it: `TakeNews` is asked again and again. What the batch was planned for is
/// the past then, but its contents are ready for the next one, which is planned up to the same cut and has nothing to wait
/// for (`ready_up_to`). So it is when they took longer than `longest_plan`. A file that never rests has changed by then: after
/// `kMaxAttempts` what was read of it goes with the old cut, ahead of the records that it has more of.
///
/// Kept from one push to the next, so that what was read and stored is not read again after a conflict. Used by the sync
/// thread alone. Bounded: `max_kept` manifests and those of the batch itself are kept, and none that is acknowledged.
class BatchContents {
 public:
  struct Wanted {
    InodeId inode;
    OpId content;
  };
  /// Takes in what others have sent, if there is any: true.
  using TakeNews = std::function<Result<bool>(const CallOptions&)>;
  struct Options {
    std::size_t max_kept = 10000;
    std::chrono::milliseconds longest_plan{60000};
  };
  BatchContents(MetadataStore& store, ContentPreparer& preparer, UploadContext& upload, WriterId writer, Options options,
                TakeNews take_news)
      : store_(store), preparer_(preparer), upload_(upload), writer_(writer), options_(options), take_news_(std::move(take_news)) {}

  enum class Outcome {
    kReady,
    kOutOfDate,   ///< the visible tree is not what the batch was planned for: re-plan
    kOld,         ///< others' changes came in, or it took long: another batch
  };
  /// Has every content of the batch stored at the server; may extend the batch.
  Result<Outcome> settle(Batch& batch, const Batch::Limits& limits, const CallOptions& options);
  /// Puts the manifests into the batch's net effects. Only after `settle`.
  Status fill_in(std::vector<TreeEffect>& effects);
  /// `settle` failed because of one file: a shorter batch may do without it.
  bool stuck() const { return stuck_; }
  /// Where the next batch is to be cut: a batch became old, and every content up to there is ready.
  std::optional<Lsn> ready_up_to() const {
    return ready_up_to_ > store_.position().acknowledged ? std::optional(ready_up_to_) : std::nullopt;
  }
  /// The contents that `settle` made ready last, as they are sent: maybe newer than the batch. Until `accepted`.
  const std::vector<Wanted>& sent() const { return sent_; }
  /// The server has what `settle` made ready last.
  void accepted();
  /// The server lacks blocks that it was thought to have: everything is offered again until a commit gets through.
  void distrust() {
    kept_.clear();
    ready_up_to_ = {};
    preparer_.trust_old_blocks(false);
  }

 private:
  std::vector<Wanted> wanted(Batch& batch) const;
  /// How far the cut must go for all contents to be what the batch says; the cut itself when they are.
  Result<Lsn> needed_cut(const std::vector<Wanted>& wanted, Lsn cut, bool& out_of_date);
  Result<bool> prepare_all(Batch& batch, const std::vector<Wanted>& wanted, ContentPreparer::Stillness stillness,
                           const CallOptions& options);
  Error cannot_be_sent(InodeId inode, const Error& why);
  Result<bool> still_wanted(const Wanted& wanted);
  Result<bool> is_kept(const Wanted& wanted);
  Status look_up(Batch& batch, Instant began, const CallOptions& options);
  Result<bool> let_rest(const CallOptions& options);
  Result<std::optional<Outcome>> take_ready(Batch& batch, const Batch::Limits& limits);
  Outcome became_old(const Batch& batch, const std::vector<Wanted>& wanted, bool all);
  Lsn newest_of(const std::vector<Wanted>& wanted, Lsn cut) const;
  Outcome became_ready(const std::vector<Wanted>& wanted);
  bool ready(const Wanted& wanted) const;
  void make_room(const std::vector<Wanted>& wanted);
  Result<bool> give_up_on(const std::vector<Wanted>& wanted, Batch& batch);
  void forget_stand_ins();

  MetadataStore& store_;
  ContentPreparer& preparer_;
  UploadContext& upload_;
  const WriterId writer_;
  const Options options_;
  const TakeNews take_news_;
  bool old_ = false, stuck_ = false;   ///< the batch that is being settled
  int attempts_ = 0;               ///< since a batch was ready, through those that became old
  Lsn ready_up_to_;                ///< 0: nothing of an old batch
  std::unordered_map<InodeId, PreparedContent> kept_;
  std::vector<Wanted> sent_;
  std::vector<InodeId> large_;
};

}  // namespace skymoor::client
