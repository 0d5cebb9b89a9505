// HttpClient: requests to one server over kept connections. The only door to libcurl.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/clock.h"

namespace skymoor::client {

/// How the server proves who it is. With a pin, its public key must be the pinned one and nothing else counts (a
/// quickstart's certificate is self-made); without, the machine's certificate authorities decide.
struct ServerTrust {
  std::string pin;          ///< "sha256//BASE64" over the public key, or empty
  std::string fingerprint;  ///< "sha256:HEX" of the certificate seen at login; only told to people
};

struct HttpRequest {
  std::string method = "GET";
  std::string path;                          ///< with query, starts with "/"
  std::vector<std::string> headers;          ///< "Name: value"
  ByteView body;                             ///< sent from where it lies; must stay until the call returns
  std::size_t max_response_bytes = 1u << 20; ///< a longer body ends the call with TooLarge
  std::chrono::milliseconds timeout{30000};  ///< for the whole call; for `stream` until the head of the answer
  std::chrono::milliseconds idle_timeout{0}; ///< longest silence, for others than `stream` in whole seconds; 0: none
  std::stop_token stop;
};

struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::optional<std::chrono::seconds> retry_after;
  std::optional<Timestamp> date;   ///< the server's clock, to the second
  Bytes body;                      ///< empty for a stream
};

/// Receives a streamed answer on the calling thread. An error from either ends the call with that error.
struct StreamSink {
  std::function<Status(const HttpResponse& head)> on_head;
  std::function<Status(ByteView data)> on_data;
};

/// Thread-safe; any number of threads may call, each blocks for its own answer. One event thread moves all bytes, over
/// at most `max_connections` connections (HTTP/1.1, TLS 1.3) that are kept and reused. Redirects are not followed.
/// Failure: each call makes one attempt and ends with Offline (cannot connect, connection lost), TimedOut, Cancelled,
/// BadCertificate, TooLarge; an answer of any HTTP status is a success here.
class HttpClient {
 public:
  struct Options {
    std::string base_url;  ///< as normalize_server_url makes it
    ServerTrust trust;
    std::size_t max_connections = 16;
    std::chrono::milliseconds connect_timeout{10000};
  };
  /// Does not connect. Errors: InvalidArgument (URL), OutOfMemory.
  static Result<std::unique_ptr<HttpClient>> open(Options options);
  virtual ~HttpClient() = default;

  virtual Result<HttpResponse> perform(const HttpRequest& request) = 0;
  /// For answers that do not end. Errors: as perform, and TimedOut after `idle_timeout` of silence.
  virtual Result<HttpResponse> stream(const HttpRequest& request, const StreamSink& sink) = 0;
  virtual const std::string& base_url() const = 0;
};

/// "host", "https://Host:8443/" -> "https://host:8443". Errors: InvalidArgument (not a URL; a path, user or query; plain
/// http to another machine).
Result<std::string> normalize_server_url(std::string_view text);
/// Whether such a URL names this very machine: localhost, 127.0.0.0/8 or ::1.
bool is_this_machine(const std::string& server_url);

/// What a server shows at the first contact.
struct ServerCertificate {
  std::string fingerprint;        ///< "sha256:HEX"
  std::string pin;                ///< for ServerTrust
  bool trusted_by_system = false; ///< signed for this host by an authority the machine trusts
};
/// Connects and looks, sending nothing. Errors: Offline, TimedOut, Cancelled, InvalidArgument (an http URL has none).
Result<ServerCertificate> probe_certificate(const std::string& base_url, std::chrono::milliseconds timeout,
                                            std::stop_token stop);

}  // namespace skymoor::client
