// Messages of /api/chunk/*: blocks in and out. Binary.
#pragma once
#include <vector>

#include "shared/base/ids.h"

namespace skymoor::protocol {

/// POST /api/chunk/missing?volume=ID   body: block ids (32 bytes each, at most 10,000) -> BlockStates
/// POST /api/chunk/pack?volume=ID      body: a pack (shared/block/pack.h)             -> BlockStates of its blocks
///   A stored block is durable on reply (replica count of the volume). A body that ends early is kept as far as whole
///   segments arrived. Errors: TooLarge, QuotaExceeded, NoSpace, Forbidden, NotFound (volume).
/// POST /api/chunk/fetch?volume=ID     body: block ids (at most 1,000) -> a pack of whole blocks, in the order asked,
///   as many as fit 8 MiB (at least one). Unknown blocks are left out.
/// GET /api/chunk/VOLUME/BLOCK         -> the sealed bytes of one block (for scripts and comparison). Errors: NotFound.

enum class BlockState : std::uint8_t {
  kStored = 0,
  kMissing = 1,   ///< nothing of it is here
  kPartial = 2,   ///< the segments listed are missing or arrived damaged
};
struct BlockStatus {
  BlockId block;
  BlockState state = BlockState::kMissing;
  std::vector<std::uint16_t> missing_segments;  ///< kPartial only
};

Bytes encode_block_ids(const std::vector<BlockId>& ids);
Result<std::vector<BlockId>> decode_block_ids(ByteView bytes, std::size_t max_ids);
Bytes encode_block_states(const std::vector<BlockStatus>& states);
Result<std::vector<BlockStatus>> decode_block_states(ByteView bytes);

}  // namespace skymoor::protocol
