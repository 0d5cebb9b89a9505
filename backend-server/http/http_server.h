// HttpServer: listens, speaks HTTP/1.1 over TLS, hands requests to handlers. The front door, with message.h, router.h
// and event_stream.h. No Boost type leaves this room.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backend-server/http/event_stream.h"
#include "backend-server/http/router.h"
#include "backend-server/http/trusted_proxies.h"

namespace skymoor::server {

struct TlsIdentity {
  std::string certificate_pem;
  std::string private_key_pem;
};

/// What became of one request, for metrics. `route` is the pattern, "" when none matched.
struct RequestSummary {
  std::string_view method, route;
  int status = 0;
  std::chrono::nanoseconds time{0};   ///< from the whole head to the last byte of the answer
  std::size_t received_bytes = 0, sent_bytes = 0;
};

struct HttpOptions {
  using Milliseconds = std::chrono::milliseconds;
  std::string address = "0.0.0.0";
  std::uint16_t port = 7443;               ///< 0: any free one, see `port()`
  std::optional<TlsIdentity> tls;          ///< TLS 1.3 only; none: plain HTTP (behind a proxy, tests)
  TrustedProxies trusted_proxies;          ///< whose X-Forwarded-For says who asks
  std::size_t io_threads = 1;
  std::size_t worker_threads = 8;
  std::size_t worker_queue = 256;          ///< requests that may wait for a worker; more get 503
  std::size_t max_connections = 2000;      ///< more are closed at once; of the last quarter, those of a network that has one
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_headers = 100;
  std::size_t max_body_memory = 512u << 20;  ///< of all bodies under way, in and (over 64 KiB) out; more get 503
  Milliseconds header_timeout{10'000};     ///< handshake, and from a request's first byte to the end of its head
  Milliseconds body_timeout{30'000};       ///< without a byte of it
  std::size_t min_body_bytes_per_second = 4096;  ///< over the whole body, after `body_timeout` of grace
  Milliseconds idle_timeout{60'000};       ///< between requests
  Milliseconds write_timeout{30'000};      ///< without the client taking a byte
  std::size_t max_streams = 1000;
  std::size_t max_streams_per_owner = 32;
  Milliseconds stream_ping{4'000};         ///< a comment line, so that both ends notice a dead peer
  Milliseconds stream_lifetime{30 * 60'000};  ///< then the client must come back with a fresh token
  std::function<void(const RequestSummary&)> observe;  ///< on I/O threads; must be quick and thread-safe
};

struct HttpGauges {
  std::size_t connections = 0, streams = 0, queued_requests = 0, body_memory_bytes = 0;
  std::uint64_t refused_connections = 0;
};

/// Thread-safe. Owns its I/O threads, its workers and every connection. Handlers must stay valid until `stop` returned.
/// Failure: trouble of one connection ends that connection; running out of descriptors pauses accepting.
class HttpServer {
 public:
  /// Errors: InvalidArgument (address, certificate), AlreadyExists or PermissionDenied (the port), Io.
  static Result<std::unique_ptr<HttpServer>> open(HttpOptions options, Router router);
  ~HttpServer();

  std::uint16_t port() const;
  HttpGauges gauges() const;

  /// Stops accepting, ends idle connections and streams, lets running requests finish for at most `grace`, then ends
  /// the rest. Blocks: that long, and until running handlers return. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace skymoor::server
