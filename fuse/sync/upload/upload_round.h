// UploadRound: the blocks of one batch on their way to the server.
#pragma once
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "fuse/remote/backoff.h"
#include "fuse/remote/volume_remote.h"
#include "fuse/sync/lock_ranks.h"
#include "fuse/sync/progress.h"
#include "fuse/sync/throttle.h"
#include "fuse/sync/upload/known_blocks.h"
#include "shared/base/executor.h"
#include "shared/block/seal.h"

namespace skymoor::client {

/// What rounds share; lives longer than all of them.
struct UploadContext {
  VolumeRemote& remote;
  Executor& sealers;                 ///< seals chunks
  Executor& senders;                 ///< waits for the server
  Throttle& throttle;
  KnownBlocks& known;
  Progress& progress;
  Clock& clock;
  Random& random;
  Bytes block_key;                   ///< VolumeKey::block_key
  std::size_t pack_bytes = 8u << 20;
  std::size_t memory_bytes = 64u << 20;
};

/// Seals chunks, leaves out what the server has, packs the rest and sends packs side by side. Bounded memory: a chunk
/// counts from `seal` until its block is stored or left out, and `seal` waits while too much is on its way.
///
/// Thread-safe, but `seal` and `finish` are one thread's: it does `meanwhile` again and again as long as it is in them, for
/// a large round takes hours on a slow line. Tasks refer to the round: the destructor waits for them. Failure: the first
/// error, also of `meanwhile`, ends the round; `finish` answers it. Blocks that were stored stay stored: the next round finds
/// them.
class UploadRound {
 public:
  using Meanwhile = std::function<Status()>;
  UploadRound(UploadContext& context, std::stop_token stop, Meanwhile meanwhile = {})
      : context_(context), stop_(std::move(stop)), meanwhile_(std::move(meanwhile)) {}
  ~UploadRound();

  /// What becomes of one chunk, told from threads of the pools.
  struct Told {
    std::function<void(const block::SealedBlock&)> sealed;   ///< its block's id, key and size, before it is sent
    std::function<void()> stored;                            ///< the server holds the block; may be empty
  };
  /// Seals `chunk`, which stands behind block::kSealFront bytes, on the pool and sends the block. Blocks: while the memory
  /// limit is reached. Errors: those of the round.
  Status seal(Bytes chunk, Told told);
  /// Sends what is left and waits until every block is stored. Errors: Offline, TimedOut, NoSpace, QuotaExceeded, ...
  Status finish();
  /// What has ended the round, if anything has.
  std::optional<Error> error();

 private:
  using Blocks = std::vector<block::SealedBlock>;
  struct Raw {
    Bytes chunk;
    Told told;
  };
  void do_meanwhile(const MutexLock&) REQUIRES(mutex_);   ///< lets go of the mutex, as the next two
  void seal_waiting(const MutexLock&) REQUIRES(mutex_);
  void seal_group(std::vector<Raw>& group);
  void add(block::SealedBlock block, std::size_t chunk_bytes, std::function<void()> stored);
  void note_stored(const BlockId& id);
  void dispatch(const MutexLock&) REQUIRES(mutex_);
  using Segments = std::vector<std::vector<std::uint16_t>>;   ///< of each block, that the server lacks; kAllSegments: all
  Status send(Blocks& blocks);
  Status ask(const Blocks& blocks, Segments& left, std::atomic<std::uint64_t>& stored);
  void note(const protocol::BlockStatus& state, std::vector<std::uint16_t>& left, std::atomic<std::uint64_t>& stored);
  Status send_packs(Blocks& blocks, Segments& segments);
  bool pause(Backoff& backoff);
  CallOptions options() const { return {.stop = stop_, .patience = Patience::kWhileItMoves}; }
  void fail(Error error);
  void release(std::size_t bytes);

  UploadContext& context_;
  const std::stop_token stop_;
  const Meanwhile meanwhile_;
  // Guarded by mutex_.
  Mutex mutex_{kUploadRoundRank, "sync.upload_round"};
  CondVar changed_;
  std::vector<Raw> raw_ GUARDED_BY(mutex_);           ///< not sealed yet: several at a time are hashed in half the time
  std::size_t raw_bytes_ GUARDED_BY(mutex_) = 0;
  Blocks open_ GUARDED_BY(mutex_);                    ///< sealed, not yet sent
  std::size_t open_bytes_ GUARDED_BY(mutex_) = 0, open_memory_ GUARDED_BY(mutex_) = 0;
  std::size_t memory_ GUARDED_BY(mutex_) = 0;
  std::size_t tasks_ GUARDED_BY(mutex_) = 0, sealing_ GUARDED_BY(mutex_) = 0;   ///< all, and those of them that seal
  /// Blocks on their way, and who waits for each to be stored.
  std::unordered_map<BlockId, std::vector<std::function<void()>>> on_way_ GUARDED_BY(mutex_);
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
