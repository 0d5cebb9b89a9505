// Api: the server's routes. The front door, with metrics.h.
#pragma once
#include <functional>

#include "backend-server/api/metrics.h"
#include "backend-server/http/router.h"
#include "backend-server/services/services.h"

namespace skymoor::server {

struct ApiOptions {
  bool metrics_for_all = false;                    ///< else /metrics answers the loopback only
  std::function<HttpGauges()> http_gauges;         ///< may be called as soon as a request comes
  std::function<StorageGauges()> storage_gauges;
};

/// Turns requests into calls of services and their results into answers: no rule and no SQL here. Thread-safe: state is
/// constant after construction. The services and metrics outlive it, and it outlives the server that its routes are
/// given to. Failure: every error leaves as the JSON of protocol/failure.h.
class Api {
 public:
  Api(Services& services, Metrics& metrics, ApiOptions options)
      : services_(services), metrics_(metrics), options_(std::move(options)) {}
  Router routes();

  /// The one place where a request is authenticated: "Authorization: Bearer TOKEN". Errors: Unauthenticated.
  Result<Caller> authenticate(const Request& request) const;

 private:
  // One file per resource.
  void add_auth(Router& router);
  void add_keys(Router& router);
  void add_volumes(Router& router);
  void add_tree(Router& router);
  void add_history(Router& router);
  void add_chunk(Router& router);
  void add_events(Router& router);
  void add_health(Router& router);

  /// A handler that needs a caller: `handle(caller, request)`.
  template <typename Handle>
  Handler with_caller(Handle handle) {
    return [this, handle = std::move(handle)](Request& request) -> Result<Response> {
      Caller caller = TRY(authenticate(request));
      return handle(caller, request);
    };
  }
  /// For routes with large bodies: strangers are stopped before they send them.
  std::function<Status(const Request&)> only_callers() {
    return [this](const Request& request) -> Status {
      TRY(authenticate(request));
      return {};
    };
  }

  // Constant after construction.
  Services& services_;
  Metrics& metrics_;
  const ApiOptions options_;
};

}  // namespace skymoor::server
