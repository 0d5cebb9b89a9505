// Private to the room: the listening socket and the I/O threads.
#pragma once
#include <functional>
#include <memory>

#include "backend-server/http/http_server.h"
#include "backend-server/http/network/transport.h"

namespace skymoor::server {

/// Accepts connections and spreads them over the I/O threads, each of which runs its own event loop: a connection stays
/// on one thread, so that its state needs no lock. Thread-safe. Owns the threads.
class Listener {
 public:
  /// Called on the I/O thread that the connection will live on.
  using Accepted = std::function<void(std::shared_ptr<Transport>)>;
  /// Binds and listens; nothing is accepted before `start`.
  /// Errors: InvalidArgument (address, certificate, key), AlreadyExists, PermissionDenied, Io.
  static Result<std::unique_ptr<Listener>> open(const HttpOptions& options);
  ~Listener();

  void start(Accepted accepted);
  std::uint16_t port() const;
  /// Closes the listening socket. Blocks: until no connection can be handed out any more.
  void stop_accepting();
  /// Ends the I/O threads and joins them; callbacks under way are dropped. Idempotent.
  void stop_threads();

 private:
  struct State;
  explicit Listener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace skymoor::server
