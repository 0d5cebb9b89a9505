// Router: which handler answers a method and path.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backend-server/http/message.h"
#include "shared/base/error.h"

namespace skymoor::server {

/// Answers one request on a worker thread; may block. An error becomes a JSON failure with the code's status.
using Handler = std::function<Result<Response>(Request&)>;

struct Route {
  std::string method;
  std::string pattern;                     ///< "/api/volumes/{volume}/commits"; a {name} matches one segment
  Handler handler;
  std::size_t max_body_bytes = 64 * 1024;  ///< 0: requests must not have a body
  /// A body that ends early is handed on as far as it came, marked `truncated`. The answer may not reach the client.
  bool accept_truncated = false;
  /// Runs on the I/O thread instead of a worker: only for handlers that never block and take microseconds.
  bool inline_on_io = false;
  /// Called on a worker before a body of more than 64 KiB is read (who may not send it is stopped early). Headers and
  /// parameters are there, the body is not. The handler checks again.
  std::function<Status(const Request&)> admit;
};

/// Filled before the server opens, constant afterwards: then thread-safe.
class Router {
 public:
  /// Replaces nothing: the first route that matches wins.
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    std::vector<NamedText> parameters;
    std::string allowed;                   ///< without a route: methods that the path does have, "" if it is unknown
  };
  /// HEAD finds the GET route.
  Match match(std::string_view method, std::string_view path) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
  };
  std::vector<Entry> entries_;
};

/// A request target taken apart.
struct Target {
  std::string path;
  std::vector<NamedText> query;
};
/// Decodes an origin-form target. Errors: InvalidArgument (absolute form, bad percent-encoding, empty, "." or ".."
/// segments, NUL, control characters, '\', an encoded '/', not UTF-8, a query key twice), TooLarge (over 2 KiB or 32
/// keys).
Result<Target> parse_target(std::string_view target);

}  // namespace skymoor::server
