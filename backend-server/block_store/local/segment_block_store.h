// SegmentBlockStore: a BlockStore in append-only segment files on one local disk. Formats: ../SEGMENTS.md.
#pragma once
#include <atomic>
#include <memory>

#include "backend-server/block_store/block_store.h"
#include "backend-server/block_store/local/catalogue.h"
#include "backend-server/block_store/local/commit_queue.h"
#include "backend-server/block_store/local/open_segments.h"
#include "backend-server/block_store/local/segment_scan.h"
#include "backend-server/block_store/local/segment_writer.h"

namespace skymoor::server {

/// Role: keeps blocks of one server on one directory, which it locks against other processes.
/// Threads: thread-safe; none of its own. Writers gather in the commit queue and share write and sync; readers only
/// take short index locks. Someone must call `maintain` and `scrub` from time to time.
/// Ownership: `disk` and `random` must outlive the store. Failure: see BlockStore; a store that opened stays usable
/// through full disks and failed syncs.
class SegmentBlockStore final : public BlockStore {
 public:
  struct Options {
    std::string directory;
    std::uint64_t segment_bytes = 256ull * 1024 * 1024;  ///< at most 2 GiB
    /// Puts leave this much of the disk free, so that removing and compacting still work when it is full.
    std::uint64_t reserve_bytes = 64ull * 1024 * 1024;
    double compact_below = 0.5;       ///< rewrite segments whose useful share is lower
    std::size_t open_files = 128;
  };

  /// Rebuilds the index from hints and, where those are missing or wrong, from the segments themselves; cuts torn
  /// tails. Errors: Busy (another process has the directory), InvalidArgument, NoSpace, Io.
  static Result<std::unique_ptr<SegmentBlockStore>> open(Disk& disk, Random& random, Options options);
  ~SegmentBlockStore() override;

  Status put(const VolumeId& volume, std::span<const NewBlock> blocks) override;
  Status read(const VolumeId& volume, const BlockId& id, const Placing& place) override;
  Result<std::vector<bool>> contains(const VolumeId& volume, std::span<const BlockId> ids) override;
  Result<std::size_t> remove(const VolumeId& volume, std::span<const BlockId> ids) override;
  Result<BlockPage> list(const ListRequest& request) override;
  BlockStoreStats stats() override;
  Result<ScrubReport> scrub(const ScrubRequest& request) override;
  Result<bool> maintain() override;
  Status close() override;

 private:
  SegmentBlockStore(Disk& disk, Random& random, Options options, UniqueFd directory_lock);

  // open.cc
  Status recover();
  Status recover_segment(std::uint32_t number, bool last);
  Status finish_segment(std::uint32_t number, bool last, std::unique_ptr<File> file, segment::Contents contents);
  Status set_aside(std::uint32_t number, const Error& why);

  // read.cc
  Status read_block(const BlockName& name, const Catalogue::Located& at, const Placing& place);
  Result<Bytes> read_block(const BlockName& name, const Catalogue::Located& at);
  template <typename Read>
  Status read_or_mark(const BlockName& name, const Read& read);
  void mark_damaged(const BlockName& name, const Place& place, const Error& why);
  Status remember_damage();

  // compact.cc
  Catalogue::CompactionRule compaction_rule() const;
  Status compact(const Catalogue::Compaction& what);
  Result<bool> move_blocks(std::uint32_t segment);
  Status move_tombstones(std::uint32_t segment);
  Status delete_segment(std::uint32_t segment);
  Status submit_if_full(std::unique_ptr<CommitRequest>& move, bool flush);

  Status check_open() const;
  /// False when another thread compacts or the store is closing; `end_maintenance` must follow true.
  bool begin_maintenance();
  void end_maintenance();

  // Constant after construction.
  Disk& disk_;
  const Options options_;
  UniqueFd directory_lock_;
  // Own synchronisation.
  Catalogue catalogue_;
  OpenSegments open_segments_;
  SegmentWriter writer_;  // used by the commit queue's leader
  CommitQueue queue_;
  std::atomic<bool> closed_ = false;
  // Guarded by life_mutex_.
  Mutex life_mutex_;
  CondVar life_changed_;
  bool maintaining_ GUARDED_BY(life_mutex_) = false;  // one compaction at a time
};

}  // namespace skymoor::server
