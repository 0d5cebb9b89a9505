// Private to the room: the head of an answer.
#pragma once
#include <string>

#include "backend-server/http/message.h"
#include "shared/base/clock.h"

namespace skymoor::server {

struct ResponseFraming {
  std::string_view request_id;
  bool keep_alive = true;
  Timestamp now{};
};

/// Status line and headers with the empty line. A stream has no length and ends with the connection.
std::string make_response_head(const Response& response, const ResponseFraming& framing);

}  // namespace skymoor::server
