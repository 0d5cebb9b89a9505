// /api/events: tells a device at once that a volume has grown.
#include "backend-server/api/api.h"
#include "backend-server/api/arguments.h"
#include "backend-server/http/event_stream.h"

namespace skymoor::server {

void Api::add_events(Router& router) {
  router.add({.method = "GET",
              .pattern = "/api/events",
              .handler = with_caller([this](const Caller& caller, Request& request) -> Result<Response> {
                VolumeId volume = TRY(query_id<VolumeId>(request, "volume"));
                Sequence after{TRY(query_number(request, "after", 0))};
                auto stream = std::make_shared<EventStream>();
                // Heads only grow, so whoever knows the newest knows all: older ones that still wait are replaced.
                auto tell = [stream, volume, after](Sequence head) {
                  if (head > after)
                    stream->send_latest(format_event("change", protocol::encode(protocol::ChangeEvent{volume, head})));
                };
                auto subscription = TRY(services_.changes().subscribe(caller, volume, std::move(tell)));
                Response response;
                response.stream = std::move(stream);
                response.stream_resource = std::make_shared<ChangesService::Subscription>(std::move(subscription));
                response.stream_owner = caller.user.hex();
                return response;
              }),
              .max_body_bytes = 0});
}

}  // namespace skymoor::server
