// /api/chunk/*: blocks in and out, in binary.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"
#include "shared/block/pack.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxPackBodyBytes = 9u << 20;
static_assert(kMaxPackBodyBytes >= block::kMaxPackBytes);

std::size_t stored_blocks(const std::vector<protocol::BlockStatus>& states) {
  std::size_t stored = 0;
  for (const auto& state : states) stored += state.state == protocol::BlockState::kStored;
  return stored;
}

}  // namespace

void Api::add_chunk(Router& router) {
  router.add({.method = "POST",
              .pattern = "/api/chunk/missing",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(query_id<VolumeId>(request, "volume"));
                auto ids = TRY(protocol::decode_block_ids(request.body.view(), kMaxMissingIds));
                return Response::bytes(
                    protocol::encode_block_states(TRY(services_.blocks().missing(caller, volume, ids))));
              }),
              .max_body_bytes = kMaxMissingIds * BlockId::kSize,
              .admit = only_callers()});
  router.add({.method = "POST",
              .pattern = "/api/chunk/pack",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(query_id<VolumeId>(request, "volume"));
                auto states = TRY(services_.blocks().upload_pack(caller, volume, request.body.view()));
                metrics_.count_upload(stored_blocks(states), request.body.size(), request.truncated);
                return Response::bytes(protocol::encode_block_states(states));
              }),
              .max_body_bytes = kMaxPackBodyBytes,
              .accept_truncated = true,
              .admit = only_callers()});
  router.add({.method = "POST",
              .pattern = "/api/chunk/fetch",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(query_id<VolumeId>(request, "volume"));
                auto ids = TRY(protocol::decode_block_ids(request.body.view(), kMaxFetchIds));
                return Response::bytes(TRY(services_.blocks().fetch(caller, volume, ids)));
              })});
  router.add({.method = "GET",
              .pattern = "/api/chunk/{volume}/{block}",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                BlockId block = TRY(path_id<BlockId>(request, "block"));
                return Response::bytes(TRY(services_.blocks().get(caller, volume, block)));
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
