// /api/volumes: volumes, their writers and devices.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"

namespace skymoor::server {

void Api::add_volumes(Router& router) {
  VolumeService& volumes = services_.volumes();
  router.add({.method = "GET",
              .pattern = "/api/volumes",
              .handler = with_caller([&](const Caller& caller, Request&) -> Result<Response> {
                return Response::json(protocol::encode(TRY(volumes.list(caller))));
              }),
              .max_body_bytes = 0});
  router.add({"POST", "/api/volumes", with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                auto message = TRY(protocol::decode<protocol::CreateVolume>(request.body.view()));
                return Response::json(protocol::encode(TRY(volumes.create(caller, message))));
              })});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}",
              .handler = with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                return Response::json(protocol::encode(TRY(volumes.info(caller, volume))));
              }),
              .max_body_bytes = 0});
  router.add({"POST", "/api/volumes/{volume}/writers",
              with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                if (request.body.view().empty())
                  return Response::json(protocol::encode(TRY(volumes.lease_writer(caller, volume))));
                auto wanted = TRY(protocol::decode<protocol::WriterLease>(request.body.view()));
                return Response::json(protocol::encode(TRY(volumes.claim_writer(caller, volume, wanted.writer))));
              })});
  router.add({"POST", "/api/volumes/{volume}/epochs",
              with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                auto message = TRY(protocol::decode<protocol::BeginEpoch>(request.body.view()));
                return Response::json(protocol::encode(TRY(volumes.begin_epoch(caller, volume, message))));
              })});
  router.add({.method = "GET",
              .pattern = "/api/volumes/{volume}/devices",
              .handler = with_caller([&](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(path_id<VolumeId>(request, "volume"));
                return Response::json(protocol::encode(TRY(volumes.devices(caller, volume))));
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
