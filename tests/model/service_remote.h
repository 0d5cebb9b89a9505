// ServiceRemote: one device's line to a SimulatedServer, over a network of the test's own.
#pragma once
#include "fuse/remote/volume_remote.h"
#include "tests/model/simulated_server.h"

namespace skymoor::client::model {

/// Every call becomes a message whose body, answer and error go through the protocol's codecs, as they would over HTTP.
/// Nothing is told by itself: there is no event stream (devices that are stepped listen to none).
class ServiceRemote final : public VolumeRemote {
 public:
  /// A request on its way. `deliver` may be called once, often, later or never, with the body or what became of it.
  struct Message {
    std::string_view call;
    Bytes body;
    std::function<Result<Bytes>(ByteView body)> deliver;
  };
  using Carry = std::function<Result<Bytes>(const Message&)>;
  ServiceRemote(SimulatedServer& server, VolumeId volume, DeviceId device, Carry carry)
      : server_(server), volume_(volume), caller_(server.caller_of(device)), carry_(std::move(carry)) {}
  void set_offline(bool offline) { offline_ = offline; }

  Result<protocol::VolumeInfo> info(CallOptions) override;
  Result<std::vector<protocol::DevicePublic>> devices(CallOptions) override;
  Result<protocol::CommitReply> commit(const SignedCommit& commit, CallOptions) override;
  Result<FeedPage> changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) override;
  Result<DirectoryPage> list_directory(InodeId directory, ByteView cursor, std::size_t limit, std::size_t manifest_bytes,
                                       CallOptions) override;
  Result<InodePage> inodes(const std::vector<InodeId>& ids, CallOptions) override { return inodes(ids, false); }
  Result<InodePage> inodes_dead_too(const std::vector<InodeId>& ids, CallOptions) override { return inodes(ids, true); }
  Result<protocol::VolumeInfo> begin_epoch(const protocol::BeginEpoch& statement, CallOptions) override;
  Result<WriterId> lease_writer(std::optional<WriterId> wanted, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> missing_blocks(const std::vector<BlockId>& ids, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> upload_pack(ByteView pack, CallOptions) override;
  Result<Bytes> fetch_pack(const std::vector<BlockId>& ids, CallOptions) override;
  std::unique_ptr<Subscription> subscribe(std::function<void(Sequence)>, std::function<void(const Status&)>) override {
    return nullptr;
  }

 private:
  using Handle = std::function<Result<Bytes>(server::Services&, const server::Caller&, ByteView body)>;
  using Note = std::function<Status(SimulatedServer&, ByteView answer)>;
  Result<Bytes> ask(std::string_view call, Bytes body, Handle handle, Note note = nullptr);
  Result<InodePage> inodes(const std::vector<InodeId>& ids, bool dead);

  // Constant after construction.
  SimulatedServer& server_;
  const VolumeId volume_;
  const server::Caller caller_;
  const Carry carry_;
  bool offline_ = false;
};

}  // namespace skymoor::client::model
