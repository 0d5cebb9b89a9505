// BlockService: blocks in and out of a volume.
#pragma once
#include <vector>

#include "backend-server/services/caller.h"
#include "shared/base/buffer.h"
#include "shared/base/clock.h"
#include "shared/protocol/blocks.h"

namespace skymoor::server {

class BlockStore;
class MetadataStore;
class PartialBlocks;

inline constexpr std::size_t kMaxMissingIds = 10000;
inline constexpr std::size_t kMaxFetchIds = 1000;

/// Thread-safe. A block belongs to the volume it was uploaded to: in any other it is missing. Failure: an upload that
/// fails half-way has stored some of its blocks; sending it again is right and cheap.
class BlockService {
 public:
  struct Options {
    std::size_t max_fetch_bytes = 8u << 20;
  };
  BlockService(MetadataStore& store, BlockStore& blocks, PartialBlocks& partial, const Clock& clock)
      : BlockService(store, blocks, partial, clock, Options{}) {}
  BlockService(MetadataStore& store, BlockStore& blocks, PartialBlocks& partial, const Clock& clock, Options options)
      : store_(store), blocks_(blocks), partial_(partial), clock_(clock), options_(options) {}

  /// One state per id, in the order asked. Errors: NotFound, TooLarge (more than kMaxMissingIds).
  Result<std::vector<protocol::BlockStatus>> missing(const Caller& caller, const VolumeId& volume,
                                                     const std::vector<BlockId>& ids);

  /// One state per block that the pack names, in order of first mention.
  /// Durability: kStored blocks survive power loss on return.
  /// Errors: NotFound, Forbidden (a reader), InvalidArgument (not a pack), TooLarge, QuotaExceeded, NoSpace, Io.
  Result<std::vector<protocol::BlockStatus>> upload_pack(const Caller& caller, const VolumeId& volume, ByteView pack);

  /// A pack of whole blocks in the order asked, as many as fit 8 MiB, at least one; unknown ones are left out.
  /// Errors: NotFound (volume), TooLarge (more than kMaxFetchIds), Io, Corrupt (the first block cannot be read).
  Result<Buffer> fetch(const Caller& caller, const VolumeId& volume, const std::vector<BlockId>& ids);
  /// The sealed bytes of one block. Errors: NotFound, Io, Corrupt.
  Result<Bytes> get(const Caller& caller, const VolumeId& volume, const BlockId& block);

 private:
  struct Upload;
  struct UploadedBlock;
  static Result<bool> assemble(UploadedBlock& block);
  Status take_segments(Upload& upload) const;
  Status stage_segments(Upload& upload, UploadedBlock& block) const;
  Status store_complete(Upload& upload) const;
  Status register_stored(const Caller& caller, Upload& upload) const;

  // Constant after construction.
  MetadataStore& store_;
  BlockStore& blocks_;
  PartialBlocks& partial_;
  const Clock& clock_;
  const Options options_;
};

}  // namespace skymoor::server
