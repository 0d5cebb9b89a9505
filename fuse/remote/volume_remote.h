// VolumeRemote: one volume at the server, as sync sees it. Implemented over HTTPS, and by a fake in tests.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fuse/remote/call_options.h"
#include "shared/base/clock.h"
#include "shared/model/change.h"
#include "shared/model/listing.h"
#include "shared/protocol/blocks.h"
#include "shared/protocol/volumes.h"

namespace skymoor::client {

/// Thread-safe; every call blocks, bounded by its options, and makes one attempt (callers own retries). Errors common
/// to all: Offline (cannot connect, connection lost), TimedOut, Cancelled, BadCertificate, Unauthenticated (the session
/// is over: log in again), Forbidden, NotFound, RateLimited, Unavailable; access tokens are refreshed inside.
class VolumeRemote {
 public:
  virtual ~VolumeRemote() = default;
  virtual Result<protocol::VolumeInfo> info(CallOptions) = 0;
  virtual Result<std::vector<protocol::DevicePublic>> devices(CallOptions) = 0;
  /// Errors: as PROTOCOL.md says for commits.
  virtual Result<protocol::CommitReply> commit(const SignedCommit& commit, CallOptions) = 0;
  virtual Result<FeedPage> changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) = 0;
  virtual Result<DirectoryPage> list_directory(InodeId directory, ByteView cursor, std::size_t limit,
                                               std::size_t manifest_bytes, CallOptions) = 0;
  virtual Result<InodePage> inodes(const std::vector<InodeId>& ids, CallOptions) = 0;
  /// The same with those that are deleted, which have no links.
  virtual Result<InodePage> inodes_dead_too(const std::vector<InodeId>& ids, CallOptions) = 0;
  /// Says that this device has seen more than the server has. Errors: InvalidArgument (the server has it all).
  virtual Result<protocol::VolumeInfo> begin_epoch(const protocol::BeginEpoch& statement, CallOptions) = 0;
  /// A new prefix, or with `wanted` one that this device had. Errors: AlreadyExists (another device has it).
  virtual Result<WriterId> lease_writer(std::optional<WriterId> wanted, CallOptions) = 0;
  virtual Result<std::vector<protocol::BlockStatus>> missing_blocks(const std::vector<BlockId>& ids, CallOptions) = 0;
  virtual Result<std::vector<protocol::BlockStatus>> upload_pack(ByteView pack, CallOptions) = 0;
  virtual Result<Bytes> fetch_pack(const std::vector<BlockId>& ids, CallOptions) = 0;

  /// Calls `on_head` (from a thread of its own) with the volume's newest sequence, at once and for every change, and
  /// `on_state` when the stream comes up (ok) or is lost (why). Reconnects by itself with backoff and jitter until the
  /// returned object is destroyed.
  class Subscription {
   public:
    virtual ~Subscription() = default;
    /// Ends a pause before the next attempt. Never blocks.
    virtual void connect_now() {}
    /// When the server last said anything on the stream, by the machine's monotonic clock; it does so every few seconds.
    virtual std::optional<Instant> heard() const { return std::nullopt; }
  };
  virtual std::unique_ptr<Subscription> subscribe(std::function<void(Sequence)> on_head,
                                                  std::function<void(const Status&)> on_state) = 0;
};

}  // namespace skymoor::client
