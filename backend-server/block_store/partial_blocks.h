// PartialBlocks: segments of blocks whose upload is not complete yet, staged in memory.
#pragma once
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "backend-server/block_store/block_store.h"
#include "shared/base/clock.h"
#include "shared/base/mutex.h"
#include "shared/block/pack.h"

namespace skymoor::server {

/// Assembles blocks from the segments of packs, so that an interrupted upload sends only what is missing. Bounded: the
/// least recently touched block is dropped when its volume or all volumes together hold too much, and any block that
/// saw no segment for `idle_limit`. Dropping loses nothing but the uploader's time: it is told what to send again.
/// A process that restarts starts empty. Thread-safe; hashing and copying run outside the lock.
class PartialBlocks {
 public:
  struct Options {
    std::uint64_t total_bytes = 256ull * 1024 * 1024;
    std::uint64_t volume_bytes = 64ull * 1024 * 1024;
    std::chrono::nanoseconds idle_limit = std::chrono::minutes(10);
  };
  enum class Outcome : std::uint8_t {
    kIncomplete,  ///< more segments are needed
    kComplete,    ///< `bytes` is the block, and its SHA-256 is its id
    kMismatch,    ///< all segments are here but the SHA-256 is another: everything was dropped, send all of it again
  };
  struct Added {
    Outcome outcome = Outcome::kIncomplete;
    Bytes bytes;
  };
  struct Stats {
    std::uint64_t blocks = 0, bytes = 0;                 ///< staged now; bytes include a cost per block
    std::uint64_t completed = 0, mismatched = 0, dropped = 0;  ///< since the start
  };

  explicit PartialBlocks(const Clock& clock) : PartialBlocks(clock, Options{}) {}
  PartialBlocks(const Clock& clock, Options options);

  /// Adds one intact segment; one that is here already changes nothing.
  /// Errors: InvalidArgument (not intact, or size, index and length do not fit together).
  Result<Added> add(const VolumeId& volume, const block::Segment& segment);

  /// Indexes of the segments still missing, ascending; none when no segment of the block is staged (send all of it).
  std::optional<std::vector<std::uint32_t>> missing_segments(const VolumeId& volume, const BlockId& id);

  void drop_volume(const VolumeId& volume);
  void drop_idle();  ///< also done by `add`
  Stats stats() const;

 private:
  /// The size is part of the key: an uploader that lies about it cannot spoil another's upload of the true block.
  struct Key {
    VolumeId volume;
    BlockId block;
    std::uint32_t block_bytes = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Staged {
    std::vector<Bytes> segments;  ///< empty: missing
    std::uint32_t present = 0;
    std::uint64_t cost = 0;
    Instant touched;
    std::list<Key>::iterator by_age;
  };
  using Blocks = std::map<Key, Staged>;

  std::optional<Staged> stage(const Key& key, const block::Segment& segment);
  Staged& touch(const Key& key, const MutexLock&) REQUIRES(mutex_);
  void charge(const Key& key, Staged& staged, std::uint64_t bytes, const MutexLock&) REQUIRES(mutex_);
  Staged take(Blocks::iterator at, const MutexLock&) REQUIRES(mutex_);
  void make_room(const Key& keep, const MutexLock&) REQUIRES(mutex_);
  void drop_idle(const MutexLock&) REQUIRES(mutex_);
  bool drop_oldest(const Key& keep, const VolumeId* volume, const MutexLock&) REQUIRES(mutex_);

  // Constant after construction.
  const Clock& clock_;
  const Options options_;
  // Guarded by mutex_.
  mutable Mutex mutex_;
  Blocks blocks_ GUARDED_BY(mutex_);
  std::list<Key> by_age_ GUARDED_BY(mutex_);  ///< least recently touched first
  std::map<VolumeId, std::uint64_t> volume_cost_ GUARDED_BY(mutex_);
  std::uint64_t total_cost_ GUARDED_BY(mutex_) = 0;
  Stats counts_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
