// The feed: applied commits in order, and what was answered to each op id.
#pragma once
#include <functional>
#include <optional>

#include "backend-server/metadata_store/volume_table.h"
#include "shared/model/change.h"

namespace skymoor::server {

struct ChangeRow {
  FeedEntry entry;
  OpId op;
  DeviceId device;
  Hash256 payload_hash;
  Timestamp applied{};     ///< server's clock
};

/// The answer stored for an op id.
struct OperationRow {
  Hash256 payload_hash;
  Sequence sequence;
  Hash256 hash;
};

class ChangeTable {
 public:
  virtual ~ChangeTable() = default;

  virtual Result<std::optional<OperationRow>> find_operation(VolumeNumber volume, OpId op) const = 0;
  /// Chain hash at a sequence; zeros at 0. Errors: NotFound.
  virtual Result<Hash256> hash_at(VolumeNumber volume, Sequence sequence) const = 0;
  /// Entries after `after` in order; ends early when `visit` answers false.
  virtual Status visit(VolumeNumber volume, Sequence after,
                       const std::function<Result<bool>(FeedEntry)>& visit) const = 0;
  /// Also stores the answer to the op id. Errors: AlreadyExists.
  virtual Status append(VolumeNumber volume, const ChangeRow& change) = 0;
};

}  // namespace skymoor::server
