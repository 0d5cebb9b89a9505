// BlockReader: blocks from the server, each authenticated before anybody sees a byte of it.
#pragma once
#include <functional>
#include <span>

#include "fuse/remote/volume_remote.h"
#include "fuse/sync/connection.h"
#include "fuse/sync/progress.h"
#include "fuse/sync/throttle.h"
#include "shared/model/manifest.h"

namespace skymoor::client {

/// Thread-safe; holds nothing between calls. Makes a few attempts of its own where blocks arrive damaged; whether the
/// server can be reached is the caller's business.
class BlockReader {
 public:
  BlockReader(VolumeRemote& remote, Throttle& throttle, Progress& progress, Connection& connection)
      : remote_(remote), throttle_(throttle), progress_(progress), connection_(connection) {}

  /// Gets the blocks of `chunks` (no holes) and hands each chunk's plaintext, with its index, to `sink` as it comes: the
  /// bytes lie in pieces, one after the other, and are gone when the sink returns.
  /// Errors: Offline, TimedOut, Cancelled, Io (the server does not have a block, or gives it damaged), those of `sink`.
  using Pieces = std::span<const ByteView>;
  using Sink = std::function<Status(std::size_t, Pieces)>;
  Status read(std::span<const Chunk> chunks, const CallOptions& options, const Sink& sink);
  Result<Bytes> read_one(const Chunk& chunk, const CallOptions& options);

 private:
  Result<std::size_t> take(Bytes pack, std::span<const Chunk> chunks, std::vector<bool>& done, const Sink& sink);

  VolumeRemote& remote_;
  Throttle& throttle_;
  Progress& progress_;
  Connection& connection_;
};

}  // namespace skymoor::client
