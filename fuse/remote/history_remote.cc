#include "fuse/remote/history_remote.h"

#include "shared/protocol/failure.h"

namespace skymoor::client {
namespace {
/// A page holds at least one entry, however large that is; a manifest is at most a commit.
constexpr std::size_t kMaxReplyBytes = 80u << 20;
}  // namespace

Result<Bytes> HistoryRemote::get(const std::string& path, const CallOptions& options) {
  HttpRequest request;
  request.path = "/api/volumes/" + volume_.hex() + path;
  request.max_response_bytes = kMaxReplyBytes;
  request.timeout = options.timeout;
  request.stop = options.stop;
  HttpResponse answer = TRY(session_.perform(std::move(request)));
  if (answer.status < 200 || answer.status > 299) return protocol::decode_failure(answer.status, answer.body);
  return std::move(answer.body);
}

Result<VersionPage> HistoryRemote::versions(InodeId inode, Sequence before, const CallOptions& options) {
  std::string path = "/versions/" + std::to_string(inode.value);
  if (before) path += "?before=" + std::to_string(before.value);
  return decode_version_page(TRY(get(path, options)));
}

Result<Bytes> HistoryRemote::manifest(InodeId inode, Sequence version, const CallOptions& options) {
  return get("/versions/" + std::to_string(inode.value) + "/" + std::to_string(version.value), options);
}

Result<TrashPage> HistoryRemote::trash(InodeId directory, const NameToken& token, ByteView cursor,
                                       const CallOptions& options) {
  std::string path = "/trash/" + std::to_string(directory.value) + "?limit=1000";
  if (!token.is_zero()) path += "&token=" + token.hex();
  if (!cursor.empty()) path += "&after=" + base64url_encode(cursor);
  return decode_trash_page(TRY(get(path, options)));
}

}  // namespace skymoor::client
