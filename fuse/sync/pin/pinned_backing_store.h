// PinnedBackingStore: a BackingStore from which nothing that is pinned is evicted.
#pragma once
#include "fuse/cache/backing_store.h"
#include "fuse/cache/pin_set.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Passes everything on but for evictions, whose judge is asked about pins as well: an inode is kept when it, or a
/// directory above one of its known names, is pinned. So the answer is always that of the present tree, and holds before
/// the keeper of pins has looked at anything. Thread-safe; what it stands on outlives it.
class PinnedBackingStore final : public BackingStore {
 public:
  PinnedBackingStore(BackingStore& inner, MetadataStore& store, const PinSet& pins, const Clock& clock)
      : inner_(inner), store_(store), pins_(pins), clock_(clock) {}

  Result<std::shared_ptr<BackingFile>> open_file(InodeId inode, bool create) override { return inner_.open_file(inode, create); }
  Status make_dirty(InodeId inode) override { return inner_.make_dirty(inode); }
  Status make_clean(InodeId inode) override { return inner_.make_clean(inode); }
  Status remove(InodeId inode) override { return inner_.remove(inode); }
  Status move(InodeId from, InodeId to) override { return inner_.move(from, to); }
  Status hand_over(InodeId from, InodeId to) override { return inner_.hand_over(from, to); }
  Status finish_move(InodeId to) override { return inner_.finish_move(to); }
  Result<std::uint64_t> identity(InodeId inode) override { return inner_.identity(inode); }
  bool exists(InodeId inode) override { return inner_.exists(inode); }
  Result<std::unique_ptr<File>> open_unnamed() override { return inner_.open_unnamed(); }
  Status sync(InodeId inode) override { return inner_.sync(inode); }
  Result<bool> sync_unsynced(InodeId inode) override { return inner_.sync_unsynced(inode); }
  void note_fetched(InodeId inode) override { inner_.note_fetched(inode); }
  Status sync_all() override { return inner_.sync_all(); }
  void touch(InodeId inode) override { inner_.touch(inode); }
  Result<std::uint64_t> free_bytes() override { return inner_.free_bytes(); }
  Status set_unseen(InodeId inode, bool on) override { return inner_.set_unseen(inode, on); }
  bool unseen(InodeId inode) override { return inner_.unseen(inode); }
  bool has_writers(InodeId inode) override { return inner_.has_writers(inode); }
  std::vector<InodeId> unseen_inodes() override { return inner_.unseen_inodes(); }
  Status set_vouching(InodeId inode, bool on) override { return inner_.set_vouching(inode, on); }
  bool vouching(InodeId inode) override { return inner_.vouching(inode); }
  std::vector<InodeId> vouching_inodes() override { return inner_.vouching_inodes(); }
  Usage usage() override { return inner_.usage(); }
  Status sweep(const std::function<bool(InodeId)>& known) override { return inner_.sweep(known); }

  /// With pins the cache can stay over its limit for long, with nothing that may go: then the routine look at it (that
  /// with no target of its own) is left out for a while, which doubles up to a minute.
  Result<std::uint64_t> evict(EvictionJudge& judge, std::uint64_t target_bytes) override;

 private:
  class Judge;

  // Constant after construction.
  BackingStore& inner_;
  MetadataStore& store_;
  const PinSet& pins_;
  const Clock& clock_;
  // Own synchronisation: two routine looks at once do no harm.
  std::atomic<std::int64_t> pause_ns_{0}, look_again_ns_{0};
};

}  // namespace skymoor::client
