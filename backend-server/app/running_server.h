// RunningServer: a whole server over one data directory, wired from its rooms.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "backend-server/http/http_server.h"

namespace skymoor::server {

struct ServerConfig {
  std::string directory;
  HttpOptions http;                               ///< `tls` is filled from below
  bool tls = true;
  std::string tls_certificate_file, tls_key_file; ///< empty: the server's own in the data directory
  std::optional<std::string> server_name;         ///< none: as at the first start, or "skymoor"
  std::optional<std::uint32_t> scrypt_log_n;      ///< none: as at the first start, or 17
  bool allow_signup = true;
  std::uint64_t default_quota_bytes = 0;
  std::chrono::seconds access_lifetime{600};
  std::chrono::seconds refresh_retry{600};        ///< see SessionService::Options
  int logins_per_network = 100;
  bool metrics_for_all = false;
  std::chrono::milliseconds scrub_every{std::chrono::hours(24 * 30)};
};

/// Thread-safe. Owns everything it opens and the lock on the data directory. Two may run in one process over two
/// directories. Failure: `open` undoes what it began; later trouble is logged and answered per request.
///
/// Stop order: connections and workers (requests), housekeeping, services, block store, the directory's lock.
class RunningServer {
 public:
  /// Makes the directory (mode 0700), the server's identity and its TLS key on the first start.
  /// Errors: Busy (another server uses the directory), AlreadyExists (the port), InvalidArgument (settings that cannot
  /// be changed any more), Corrupt, NoSpace, Io.
  static Result<std::unique_ptr<RunningServer>> open(ServerConfig config);
  ~RunningServer();

  std::uint16_t port() const;
  /// Of the TLS certificate; empty without TLS.
  const std::string& fingerprint() const;
  /// Blocks: until running requests are done, at most `grace`, and everything is closed. Idempotent.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit RunningServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace skymoor::server
