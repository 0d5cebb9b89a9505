// Catalogue: the index of blocks and the books of each segment, under one lock. Private to this room.
#pragma once
#include <map>

#include "backend-server/block_store/local/block_index.h"
#include "backend-server/block_store/local/segment_format.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

/// What the store knows in memory. Holds only what is durable: the writer applies records after their sync.
/// Thread-safe; the lock is never held across I/O. Records take effect in the order of their places (segment, offset),
/// in memory as in a recovery.
class Catalogue {
 public:
  struct Located {
    Place place;
    std::uint32_t salt = 0;  ///< of its segment
  };
  struct Compaction {
    std::uint32_t segment = 0;
    bool has_tombstones = false;
  };
  struct CompactionRule {
    double live_below = 0.5;              ///< share of useful bytes under which a segment is rewritten
    std::uint64_t tombstone_bytes = 0;    ///< least total from which on the oldest segment is rewritten to drop them
  };

  Catalogue() : mutex_(kRank, "block_store.catalogue") {}

  void add_segment(std::uint32_t number, std::uint32_t salt, std::uint64_t file_bytes);
  void seal_segment(std::uint32_t number, std::uint64_t file_bytes);  ///< nothing will be appended
  void keep_segment(std::uint32_t number);    ///< some of it could not be read or rewritten: compaction leaves it alone from now on
  void drop_segment(std::uint32_t number);
  /// Takes over records of one segment, in order. Returns how many blocks its tombstones removed.
  std::size_t apply(std::uint32_t segment, std::span<const segment::Entry> entries, std::uint64_t file_bytes);

  std::optional<Located> find(const BlockName& name) const;
  std::vector<bool> contains(const VolumeId& volume, std::span<const BlockId> ids) const;
  bool mark_damaged(const BlockName& name, const Place& place);
  BlockPage list(const ListRequest& request) const;
  BlockStoreStats stats() const;

  /// The segment most worth rewriting. Segments with damaged blocks are left alone: their bytes may still help.
  std::optional<Compaction> pick_compaction(const CompactionRule& rule) const;
  /// Live blocks of a segment in order of offset.
  std::vector<BlockIndex::Named> blocks_in(std::uint32_t segment) const;
  /// Whether a dead record that `origin`'s tombstone hides may still be in a segment other than `rewritten`.
  bool tombstone_needed(std::uint32_t origin, std::uint32_t rewritten) const;

 private:
  static constexpr LockRank kRank = 40010;
  struct Books {
    std::uint32_t salt = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t live_bytes = 0;       ///< whole records
    std::uint64_t tombstone_bytes = 0;
    std::uint64_t damaged = 0;
    bool sealed = false;
    bool kept = false;                  ///< not to be rewritten
  };
  void forget(const Place& place, const MutexLock&) REQUIRES(mutex_);

  mutable Mutex mutex_;
  BlockIndex index_ GUARDED_BY(mutex_);
  std::map<std::uint32_t, Books> segments_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
