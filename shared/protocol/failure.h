// The JSON error that every failed request answers: {"code","message","request_id"}.
#pragma once
#include <string>

#include "shared/base/error.h"
#include "shared/base/bytes.h"

namespace skymoor::protocol {

/// Server side: no stack, no path, no secret. Internal errors say only that they are, with the request id to look for.
std::string encode_failure(const Error& error, std::string_view request_id);

/// Client side: the error behind an HTTP answer. A body that is not ours (a proxy's HTML) gives Unavailable for 5xx and
/// Io otherwise, naming the status.
Error decode_failure(int http_status, ByteView body);

/// Version of the API: sent by the client as "Skymoor-Protocol: 1" and by the server with every answer.
inline constexpr int kProtocolVersion = 1;

}  // namespace skymoor::protocol
