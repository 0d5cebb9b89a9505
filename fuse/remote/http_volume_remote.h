// HttpVolumeRemote: one volume at the server, over HTTPS.
#pragma once
#include "fuse/remote/remote_session.h"
#include "fuse/remote/volume_remote.h"

namespace skymoor::client {

/// Thread-safe; keeps no state of its own. Failure: as VolumeRemote says.
class HttpVolumeRemote final : public VolumeRemote {
 public:
  HttpVolumeRemote(RemoteSession& session, Random& random, VolumeId volume)
      : session_(session), random_(random), volume_(volume) {}

  Result<protocol::VolumeInfo> info(CallOptions) override;
  Result<std::vector<protocol::DevicePublic>> devices(CallOptions) override;
  Result<protocol::CommitReply> commit(const SignedCommit& commit, CallOptions) override;
  Result<FeedPage> changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions) override;
  Result<DirectoryPage> list_directory(InodeId directory, ByteView cursor, std::size_t limit,
                                       std::size_t manifest_bytes, CallOptions) override;
  Result<InodePage> inodes(const std::vector<InodeId>& ids, CallOptions) override;
  Result<InodePage> inodes_dead_too(const std::vector<InodeId>& ids, CallOptions) override;
  Result<protocol::VolumeInfo> begin_epoch(const protocol::BeginEpoch& statement, CallOptions) override;
  Result<WriterId> lease_writer(std::optional<WriterId> wanted, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> missing_blocks(const std::vector<BlockId>& ids, CallOptions) override;
  Result<std::vector<protocol::BlockStatus>> upload_pack(ByteView pack, CallOptions) override;
  Result<Bytes> fetch_pack(const std::vector<BlockId>& ids, CallOptions) override;
  std::unique_ptr<Subscription> subscribe(std::function<void(Sequence)> on_head,
                                          std::function<void(const Status&)> on_state) override;

 private:
  Result<Bytes> get(std::string path, std::size_t max_bytes, const CallOptions& options);
  Result<Bytes> post(std::string path, ByteView body, std::size_t max_bytes, const CallOptions& options);
  Result<Bytes> send(HttpRequest request, std::size_t max_bytes, const CallOptions& options);
  std::string volume_path(std::string_view rest) const;
  std::string chunk_path(std::string_view what) const;

  RemoteSession& session_;
  Random& random_;
  const VolumeId volume_;
};

}  // namespace skymoor::client
