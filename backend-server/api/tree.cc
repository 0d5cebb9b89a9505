// /api/volumes/ID/{commits,changes,directories,inodes}: the tree of a volume, in binary.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxCommitBodyBytes = kMaxCommitBytes + (512u << 10);
constexpr std::uint64_t kMaxPageBytes = 8u << 20;
constexpr std::uint64_t kDefaultPageBytes = 4u << 20;
constexpr std::size_t kInodeBytes = 8;

Result<DirectoryRequest> read_directory_request(const Request& request) {
  DirectoryRequest wanted;
  wanted.volume = TRY(path_id<VolumeId>(request, "volume"));
  wanted.directory = InodeId{TRY(parse_number("inode", request.parameter("inode")))};
  wanted.after = TRY(query_bytes(request, "after", kMaxCursorBytes));
  std::uint64_t limit = TRY(query_number(request, "limit", wanted.limit));
  std::uint64_t manifests = TRY(query_number(request, "manifests", 0));
  if (limit == 0) return Error(Code::kInvalidArgument, "limit: must be at least 1");
  wanted.limit = std::min<std::uint64_t>(limit, kMaxListedEntries);
  wanted.manifest_bytes = std::min<std::uint64_t>(manifests, kMaxPageBytes);
  return wanted;
}

Result<std::vector<InodeId>> read_inode_ids(ByteView body) {
  if (body.size() % kInodeBytes != 0) return Error(Code::kInvalidArgument, "inode ids: not a multiple of 8 bytes");
  if (body.size() / kInodeBytes > kMaxListedEntries) return Error(Code::kTooLarge, "more than 2000 inode ids");
  std::vector<InodeId> ids(body.size() / kInodeBytes);
  ByteReader in(body);
  for (InodeId& id : ids) id = InodeId{in.u64()};
  TRY(in.finish("inode ids"));
  return ids;
}

}  // namespace

void Api::add_tree(Router& router) {
  router.add({.method = "POST",
              .pattern = "/api/volumes/{volume}/commits",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                SignedCommit commit = TRY(decode_signed_commit(request.body.view()));
                auto reply = TRY(services_.names().commit(caller, volume, commit));
                metrics_.count_commit();
                return Response::json(protocol::encode(reply));
              }),
              .max_body_bytes = kMaxCommitBodyBytes,
              .admit = only_callers()});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/changes",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                Sequence after{TRY(query_number(request, "after"))};
                std::uint64_t epoch = TRY(query_number(request, "epoch"));
                std::uint64_t max_bytes = TRY(query_number(request, "max_bytes", kDefaultPageBytes));
                if (epoch > UINT32_MAX) return Error(Code::kInvalidArgument, "epoch: too large");
                FeedPage page =
                    TRY(services_.changes().page(caller, volume, after, Epoch(static_cast<std::uint32_t>(epoch)),
                                                 std::min(max_bytes, kMaxPageBytes)));
                return Response::bytes(encode_feed_page(page));
              }),
              .max_body_bytes = 0});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/directories/{inode}",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                DirectoryRequest wanted = TRY(read_directory_request(request));
                return Response::bytes(encode_directory_page(TRY(services_.names().directory(caller, wanted))));
              }),
              .max_body_bytes = 0});
  router.add({"POST", "/api/volumes/{volume}/inodes",
              with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                auto ids = TRY(read_inode_ids(request.body.view()));
                const bool dead = TRY(query_number(request, "dead", 0)) != 0;
                InodePage page = TRY(services_.names().inodes(caller, volume, ids, {dead, kMaxPageBytes}));
                return Response::bytes(encode_inode_page(page));
              })});
}

}  // namespace skymoor::server
