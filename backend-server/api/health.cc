// /healthz and /metrics.
#include "backend-server/api/api.h"
#include "shared/protocol/failure.h"

namespace skymoor::server {

void Api::add_health(Router& router) {
  // On the I/O thread: it tells that the server answers, also when all workers are busy.
  router.add({.method = "GET",
              .pattern = "/healthz",
              .handler = [](Request&) -> Result<Response> {
                return Response::json("{\"status\":\"ok\",\"protocol\":" + std::to_string(protocol::kProtocolVersion) +
                                      "}");
              },
              .max_body_bytes = 0,
              .inline_on_io = true});
  router.add({.method = "GET",
              .pattern = "/metrics",
              .handler = [this](Request& request) -> Result<Response> {
                if (!request.loopback && !options_.metrics_for_all) return Error(Code::kNotFound, "no such route");
                HttpGauges http = options_.http_gauges ? options_.http_gauges() : HttpGauges{};
                StorageGauges storage = options_.storage_gauges ? options_.storage_gauges() : StorageGauges{};
                Response response = Response::json(metrics_.render(http, storage));
                response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                return response;
              },
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
