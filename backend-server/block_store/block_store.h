// BlockStore: keeps sealed blocks by (volume, block id). The front door of this room.
#pragma once
#include <compare>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "shared/base/ids.h"

namespace skymoor::server {

/// Names one stored block. Blocks are deduplicated inside a volume and never across volumes, so both ids are the key.
/// Ordered by block id first: any two stores that hold the same blocks list them in the same order.
struct BlockName {
  VolumeId volume;
  BlockId block;
  friend bool operator==(const BlockName&, const BlockName&) = default;
  friend std::strong_ordering operator<=>(const BlockName& a, const BlockName& b) {
    if (auto by_block = a.block <=> b.block; by_block != 0) return by_block;
    return a.volume <=> b.volume;
  }
};

struct NewBlock {
  BlockId id;
  ByteView sealed;            ///< 1 to block::kMaxBlockBytes
  bool hash_checked = false;  ///< the caller has seen that SHA-256(sealed) == id; else the store checks it
};

struct StoredBlock {
  BlockName name;
  std::uint32_t bytes = 0;
  bool damaged = false;  ///< was found unreadable; `put` replaces it
};

struct ListRequest {
  std::optional<VolumeId> volume;  ///< only this volume's blocks
  std::optional<BlockName> after;  ///< the last name of the page before
  std::size_t limit = 1000;
};

struct BlockPage {
  std::vector<StoredBlock> blocks;  ///< in order of BlockName
  bool more = false;
};

struct BlockStoreStats {
  std::uint64_t blocks = 0, block_bytes = 0;  ///< live blocks and their sealed bytes
  std::uint64_t damaged = 0;                  ///< of them, known to be unreadable
  std::uint64_t disk_bytes = 0;               ///< files, dead records included
  std::uint64_t segments = 0;                 ///< files
  std::uint64_t syncs = 0;                    ///< group commits since the store was opened
};

struct ScrubRequest {
  std::optional<BlockName> after;             ///< `next` of the step before; none: start a pass
  std::uint64_t max_bytes = 64 * 1024 * 1024; ///< stop after about this much was read
};

struct ScrubReport {
  std::uint64_t blocks = 0, bytes = 0;    ///< re-read in this step
  std::vector<BlockName> damaged;         ///< unreadable, or SHA-256 is not the id
  std::optional<BlockName> next;          ///< where the next step starts; none: the pass is complete
};

/// Keeps blocks durably. Thread-safe: every call may come from many threads at once. Callers keep the bytes they pass
/// alive until the call returns. Failure: an error leaves the store as it was and usable, unless a call says otherwise.
class BlockStore {
 public:
  virtual ~BlockStore() = default;

  /// Stores blocks; those that are there already (and not damaged) cost nothing.
  /// Durability: on return every block survives power loss. Concurrent calls share their syncs.
  /// Errors: Unprocessable (id is not the SHA-256), InvalidArgument (size), NoSpace, Io, Unavailable (closed). After an
  /// error some of the blocks may be stored; putting all of them again is right.
  /// Blocks: on the disk.
  virtual Status put(const VolumeId& volume, std::span<const NewBlock> blocks) = 0;

  /// Reads the sealed bytes to where `place` says when it is told how many they are (in pieces, one after the other, that
  /// together take them; it may be asked again), checked against the store's checksum. After an error nothing in there
  /// counts. Errors: NotFound, Corrupt or Io (the copy here is lost: it counts as missing from now on, and `put` replaces
  /// it), TooLarge (`place` has no room), Unavailable.
  using Places = std::vector<std::span<std::uint8_t>>;
  using Placing = std::function<Places(std::uint32_t)>;
  virtual Status read(const VolumeId& volume, const BlockId& id, const Placing& place) = 0;
  /// The same into memory of its own.
  Result<Bytes> get(const VolumeId& volume, const BlockId& id) {
    Bytes bytes;
    TRY(read(volume, id, [&](std::uint32_t size) {
      bytes.resize(size);
      return Places{bytes};
    }));
    return bytes;
  }

  /// One flag per id: durable and not known to be damaged. Errors: Unavailable.
  virtual Result<std::vector<bool>> contains(const VolumeId& volume, std::span<const BlockId> ids) = 0;

  /// Forgets blocks; ids that are not there are skipped. Returns how many were. Durability: on return they stay gone.
  /// Errors: NoSpace, Io, Unavailable. Whoever removes must know that no upload relies on `contains` (see the services'
  /// leases): a put that found a block there is not repeated by its removal.
  virtual Result<std::size_t> remove(const VolumeId& volume, std::span<const BlockId> ids) = 0;

  /// One page of blocks in order of BlockName. Blocks that come or go between pages may be in or out.
  virtual Result<BlockPage> list(const ListRequest& request) = 0;

  virtual BlockStoreStats stats() = 0;

  /// Re-reads some blocks and compares their SHA-256. What is damaged stays where it is, but counts as missing, so that
  /// a repair's `put` is not skipped. Errors: Unavailable.
  virtual Result<ScrubReport> scrub(const ScrubRequest& request) = 0;

  /// One bounded step of housekeeping (compaction). Returns whether a further step would find work.
  /// Errors: NoSpace, Io, Unavailable; the store is as before the step then.
  virtual Result<bool> maintain() = 0;

  /// Finishes running calls and makes the next opening quick. Later calls give Unavailable. Idempotent.
  virtual Status close() = 0;
};

}  // namespace skymoor::server
