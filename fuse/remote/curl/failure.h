// From libcurl's result to an Error that says what to do. Private to the room.
#pragma once
#include "fuse/remote/curl/handles.h"
#include "fuse/remote/http_client.h"

namespace skymoor::client::curl {

/// `detail` is libcurl's own sentence, or empty.
Error failure_of(CURLcode code, CURL* easy, const std::string& base_url, const ServerTrust& trust,
                 const std::string& detail);

/// The certificate that the server showed on this handle's connection, in PEM; empty when none was seen.
std::string shown_certificate(CURL* easy);

}  // namespace skymoor::client::curl
