// Request and Response: what a handler gets and gives. Plain values.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "shared/base/buffer.h"

namespace skymoor::server {

class EventStream;

/// A body: read into or filled as it is made.
using Body = Buffer;

using NamedText = std::pair<std::string, std::string>;

struct Request {
  std::string method;                   ///< "GET", ...
  std::string path;                     ///< percent-decoded, checked: no empty, "." or ".." segment, no NUL or '\'
  std::vector<NamedText> query;         ///< percent-decoded, each key once
  std::vector<NamedText> parameters;    ///< what the route's {names} matched
  std::vector<NamedText> headers;       ///< names in lower case
  Body body;
  bool truncated = false;               ///< the connection broke before the whole body came (Route::accept_truncated)
  std::string request_id;
  std::string remote_address;           ///< as text: the peer's, or what a trusted proxy says of its own
  bool loopback = false;                ///< it is this machine's, and nothing says that a proxy has passed the request on

  /// The first header of that lower-case name, or empty.
  std::string_view header(std::string_view name) const;
  /// What {name} of the route's pattern matched; empty for a name that is not in the pattern.
  const std::string& parameter(std::string_view name) const;
  std::optional<std::string_view> query_value(std::string_view key) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::variant<std::string, Bytes, Body> body;
  std::vector<NamedText> headers;       ///< further ones; names and values must not hold CR or LF

  // A response that goes on as server-sent events: the body is ignored. The resource lives as long as the connection
  // serves the stream, and goes on an I/O thread.
  std::shared_ptr<EventStream> stream;
  std::shared_ptr<void> stream_resource;
  std::string stream_owner;             ///< counts against the owner's cap

  static Response json(std::string text, int status = 200) {
    Response response;
    response.status = status;
    response.body = std::move(text);
    return response;
  }
  template <typename Content>   // Bytes or Body
  static Response bytes(Content content) {
    Response response;
    response.content_type = "application/octet-stream";
    response.body = std::move(content);
    return response;
  }
  ByteView body_view() const;
};

}  // namespace skymoor::server
