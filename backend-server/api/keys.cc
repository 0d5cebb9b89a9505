// /api/keys/*: the caller's wrapped keys.
#include "backend-server/api/api.h"

namespace skymoor::server {

void Api::add_keys(Router& router) {
  router.add({.method = "GET",
              .pattern = "/api/keys/bundle",
              .handler = with_caller([this](const Caller& caller, Request&) -> Result<Response> {
                return Response::json(protocol::encode(TRY(services_.accounts().key_bundle(caller))));
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
