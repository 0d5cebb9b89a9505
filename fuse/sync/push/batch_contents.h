// BatchContents: the contents that a batch publishes, as they were at its cut.
#pragma once
#include <unordered_map>

#include "fuse/sync/push/batch.h"
#include "fuse/sync/upload/content_preparer.h"

namespace skymoor::client {

/// Reads and uploads what the batch's files hold. A file that has changed past the cut pulls the cut forward, so that the
/// commit stays a prefix of history; one that never rests is copied while its writers wait.
///
/// Kept from one push to the next, so that what was read and stored is not read again after a conflict. Used by the sync
/// thread alone. Bounded: `max_kept` manifests and those of the batch itself are kept, and none that is acknowledged.
class BatchContents {
 public:
  BatchContents(MetadataStore& store, ContentPreparer& preparer, UploadContext& upload, WriterId writer, std::size_t max_kept)
      : store_(store), preparer_(preparer), upload_(upload), writer_(writer), max_kept_(max_kept) {}

  enum class Outcome {
    kReady,
    kOutOfDate,   ///< the visible tree is not what the batch was planned for: re-plan
  };
  /// Has every content of the batch stored at the server; may extend the batch.
  Result<Outcome> settle(Batch& batch, const Batch::Limits& limits, const CallOptions& options);
  /// Puts the manifests into the batch's net effects. Only after `settle`.
  Status fill_in(std::vector<TreeEffect>& effects);
  /// Inodes whose content was part of what `settle` made ready last.
  const std::vector<InodeId>& inodes() const { return inodes_; }
  /// The server has what `settle` made ready last.
  void accepted();
  /// The server lacks blocks that it was thought to have: everything is offered again until a commit gets through.
  void distrust() {
    kept_.clear();
    preparer_.trust_old_blocks(false);
  }

 private:
  struct Wanted {
    InodeId inode;
    OpId content;
  };
  std::vector<Wanted> wanted(Batch& batch) const;
  /// How far the cut must go for all contents to be what the batch says; the cut itself when they are.
  Result<Lsn> needed_cut(const std::vector<Wanted>& wanted, Lsn cut, bool& out_of_date);
  Result<bool> prepare_all(const std::vector<Wanted>& wanted, ContentPreparer::Stillness stillness,
                           const CallOptions& options);
  Result<bool> let_rest(const CallOptions& options);
  bool ready(const Wanted& wanted) const;
  void make_room(const std::vector<Wanted>& wanted);
  Result<bool> give_up_on(const std::vector<Wanted>& wanted, Batch& batch);

  MetadataStore& store_;
  ContentPreparer& preparer_;
  UploadContext& upload_;
  const WriterId writer_;
  const std::size_t max_kept_;
  std::unordered_map<InodeId, PreparedContent> kept_;
  std::vector<InodeId> inodes_, large_;
};

}  // namespace skymoor::client
