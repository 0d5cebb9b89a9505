// /api/volumes/ID/{versions,trash}: what is kept of the past, in binary.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"

namespace skymoor::server {
namespace {

Result<std::size_t> read_limit(const Request& request) {
  std::uint64_t limit = TRY(query_number(request, "limit", 1000));
  if (limit == 0) return Error(Code::kInvalidArgument, "limit: must be at least 1");
  return static_cast<std::size_t>(std::min<std::uint64_t>(limit, kMaxListedEntries));
}

Result<VersionRequest> read_version_request(const Request& request) {
  VersionRequest wanted;
  wanted.volume = TRY(path_id<VolumeId>(request, "volume"));
  wanted.inode = InodeId{TRY(parse_number("inode", request.parameter("inode")))};
  wanted.before = Sequence{TRY(query_number(request, "before", 0))};
  if (wanted.before.value > INT64_MAX) return Error(Code::kInvalidArgument, "before: too large");
  wanted.limit = TRY(read_limit(request));
  return wanted;
}

Result<TrashRequest> read_trash_request(const Request& request) {
  TrashRequest wanted;
  wanted.volume = TRY(path_id<VolumeId>(request, "volume"));
  wanted.directory = InodeId{TRY(parse_number("directory", request.parameter("directory")))};
  if (request.query_value("token")) wanted.token = TRY(query_id<NameToken>(request, "token"));
  wanted.after = TRY(query_bytes(request, "after", kMaxCursorBytes));
  wanted.limit = TRY(read_limit(request));
  return wanted;
}

}  // namespace

void Api::add_history(Router& router) {
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/versions/{inode}",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VersionRequest wanted = TRY(read_version_request(request));
                return Response::bytes(encode_version_page(TRY(services_.history().versions(caller, wanted))));
              }),
              .max_body_bytes = 0});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/versions/{inode}/{sequence}",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                InodeId inode{TRY(parse_number("inode", request.parameter("inode")))};
                Sequence version{TRY(parse_number("sequence", request.parameter("sequence")))};
                return Response::bytes(TRY(services_.history().manifest(caller, volume, inode, version)));
              }),
              .max_body_bytes = 0});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/trash/{directory}",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                TrashRequest wanted = TRY(read_trash_request(request));
                return Response::bytes(encode_trash_page(TRY(services_.history().trash(caller, wanted))));
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
