// Which blocks a volume holds, how large they are, and how many content versions name each.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "backend-server/metadata_store/volume_table.h"

namespace skymoor::server {

struct BlockRow {
  BlockId id;
  std::uint32_t stored_bytes = 0;
  std::uint64_t references = 0;
  Timestamp first_stored{};
};

class BlockTable {
 public:
  virtual ~BlockTable() = default;

  virtual Result<std::optional<BlockRow>> find(VolumeNumber volume, const BlockId& id) const = 0;
  /// False: the volume has it already.
  virtual Result<bool> insert(VolumeNumber volume, const BlockRow& block) = 0;
  /// Errors: BlockMissing.
  virtual Status add_reference(VolumeNumber volume, const BlockId& id) = 0;
};

}  // namespace skymoor::server
