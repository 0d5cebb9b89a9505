#include "fuse/remote/http_volume_remote.h"

#include "fuse/remote/volume_subscription.h"
#include "shared/protocol/failure.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxJsonReplyBytes = 4u << 20;
/// What a page may be over the size asked for: it always holds at least one entry, and frames.
constexpr std::size_t kMaxPageBytes = 16u << 20;
constexpr std::size_t kSlowestBytesPerSecond = 4096;   // the server's own bound
constexpr std::size_t kMaxPackReplyBytes = (8u << 20) + (5u << 20);

}  // namespace

std::string HttpVolumeRemote::volume_path(std::string_view rest) const {
  return "/api/volumes/" + volume_.hex() + std::string(rest);
}
std::string HttpVolumeRemote::chunk_path(std::string_view what) const {
  return "/api/chunk/" + std::string(what) + "?volume=" + volume_.hex();
}

Result<Bytes> HttpVolumeRemote::send(HttpRequest request, std::size_t max_bytes, const CallOptions& options) {
  request.max_response_bytes = max_bytes;
  request.timeout = options.timeout;
  if (options.patience == Patience::kWhileItMoves) {
    request.idle_timeout = options.timeout;
    request.timeout += std::chrono::seconds((request.body.size() + max_bytes) / kSlowestBytesPerSecond);
  }
  request.stop = options.stop;
  HttpResponse answer = TRY(session_.perform(std::move(request)));
  if (answer.status < 200 || answer.status > 299) return protocol::decode_failure(answer.status, answer.body);
  return std::move(answer.body);
}

Result<Bytes> HttpVolumeRemote::get(std::string path, std::size_t max_bytes, const CallOptions& options) {
  HttpRequest request;
  request.path = std::move(path);
  return send(std::move(request), max_bytes, options);
}

Result<Bytes> HttpVolumeRemote::post(std::string path, ByteView body, std::size_t max_bytes,
                                     const CallOptions& options) {
  HttpRequest request;
  request.method = "POST";
  request.path = std::move(path);
  request.headers = {"Content-Type: application/octet-stream"};
  request.body = body;
  return send(std::move(request), max_bytes, options);
}

Result<protocol::VolumeInfo> HttpVolumeRemote::info(CallOptions options) {
  return protocol::decode<protocol::VolumeInfo>(TRY(get(volume_path(""), kMaxJsonReplyBytes, options)));
}

Result<std::vector<protocol::DevicePublic>> HttpVolumeRemote::devices(CallOptions options) {
  return protocol::decode<std::vector<protocol::DevicePublic>>(
      TRY(get(volume_path("/devices"), kMaxJsonReplyBytes, options)));
}

Result<protocol::CommitReply> HttpVolumeRemote::commit(const SignedCommit& commit, CallOptions options) {
  const Bytes body = encode_signed_commit(commit);
  return protocol::decode<protocol::CommitReply>(
      TRY(post(volume_path("/commits"), body, kMaxJsonReplyBytes, options)));
}

Result<FeedPage> HttpVolumeRemote::changes(Epoch epoch, Sequence after, std::size_t max_bytes, CallOptions options) {
  const std::string path = volume_path("/changes?after=" + std::to_string(after.value) +
                                       "&epoch=" + std::to_string(epoch.value) +
                                       "&max_bytes=" + std::to_string(max_bytes));
  return decode_feed_page(TRY(get(path, max_bytes + kMaxPageBytes, options)));
}

Result<DirectoryPage> HttpVolumeRemote::list_directory(InodeId directory, ByteView cursor, std::size_t limit,
                                                       std::size_t manifest_bytes, CallOptions options) {
  std::string path = volume_path("/directories/" + std::to_string(directory.value) +
                                 "?limit=" + std::to_string(limit) + "&manifests=" + std::to_string(manifest_bytes));
  if (!cursor.empty()) path += "&after=" + base64url_encode(cursor);
  return decode_directory_page(TRY(get(path, kMaxPageBytes, options)));
}

Result<InodePage> HttpVolumeRemote::inodes(const std::vector<InodeId>& ids, CallOptions options) {
  ByteWriter body;
  for (InodeId id : ids) body.u64(id.value);
  return decode_inode_page(TRY(post(volume_path("/inodes"), body.view(), kMaxPageBytes, options)));
}

Result<InodePage> HttpVolumeRemote::inodes_dead_too(const std::vector<InodeId>& ids, CallOptions options) {
  ByteWriter body;
  for (InodeId id : ids) body.u64(id.value);
  return decode_inode_page(TRY(post(volume_path("/inodes?dead=1"), body.view(), kMaxPageBytes, options)));
}

Result<protocol::VolumeInfo> HttpVolumeRemote::begin_epoch(const protocol::BeginEpoch& statement, CallOptions options) {
  const std::string body = protocol::encode(statement);
  return protocol::decode<protocol::VolumeInfo>(
      TRY(post(volume_path("/epochs"), as_bytes(body), kMaxJsonReplyBytes, options)));
}

Result<WriterId> HttpVolumeRemote::lease_writer(std::optional<WriterId> wanted, CallOptions options) {
  const std::string body = wanted ? protocol::encode(protocol::WriterLease{*wanted}) : std::string();
  const Bytes reply = TRY(post(volume_path("/writers"), as_bytes(body), kMaxJsonReplyBytes, options));
  return TRY(protocol::decode<protocol::WriterLease>(reply)).writer;
}

Result<std::vector<protocol::BlockStatus>> HttpVolumeRemote::missing_blocks(const std::vector<BlockId>& ids,
                                                                            CallOptions options) {
  const Bytes body = protocol::encode_block_ids(ids);
  return protocol::decode_block_states(TRY(post(chunk_path("missing"), body, kMaxJsonReplyBytes, options)));
}

Result<std::vector<protocol::BlockStatus>> HttpVolumeRemote::upload_pack(ByteView pack, CallOptions options) {
  return protocol::decode_block_states(TRY(post(chunk_path("pack"), pack, kMaxJsonReplyBytes, options)));
}

Result<Bytes> HttpVolumeRemote::fetch_pack(const std::vector<BlockId>& ids, CallOptions options) {
  const Bytes body = protocol::encode_block_ids(ids);
  return post(chunk_path("fetch"), body, kMaxPackReplyBytes, options);
}

std::unique_ptr<VolumeRemote::Subscription> HttpVolumeRemote::subscribe(std::function<void(Sequence)> on_head,
                                                                        std::function<void(const Status&)> on_state) {
  return std::make_unique<VolumeSubscription>(session_, random_, volume_, VolumeSubscription::Options{},
                                              std::move(on_head), std::move(on_state));
}

}  // namespace skymoor::client
