// The control socket of a running mount: one request line in, answer lines out.
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/fd.h"
#include "shared/base/mutex.h"

namespace skymoor::client {

inline constexpr const char* kControlSocket = "control.sock";
inline constexpr std::size_t kMaxControlLine = 64 * 1024;      ///< a request
inline constexpr std::size_t kMaxControlAnswer = 4u << 20;     ///< all lines of an answer

/// Answers requests. `handle` may block and may be called from several threads at once; it sends any number of lines with
/// `send` (false: the asker has gone, or the server is stopping) and the last one is the answer. JSON texts, no newlines.
class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  using Send = std::function<bool(const std::string& line)>;
  virtual void handle(const std::string& request, const Send& send, std::stop_token stop) = 0;
};

/// Listens on DIR/control.sock (0600, only this user and root are answered). A thread for accepting, one per connection,
/// at most 32. Thread-safe. Destruction removes the socket, hangs up on everybody and joins.
class ControlServer {
 public:
  /// A socket left by a dead process is replaced: the caller holds the lock on `directory`. Errors: Io, NoSpace.
  static Result<std::unique_ptr<ControlServer>> start(const std::string& directory, ControlHandler& handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Connection;
  ControlServer(UniqueFd directory, UniqueFd listener, ControlHandler& handler);
  void accept_loop();
  Status begin(UniqueFd fd);
  void serve(Connection& connection);
  void reap();

  // Constant after construction.
  const UniqueFd directory_, listener_;
  ControlHandler& handler_;
  // Own synchronisation.
  std::stop_source stop_;
  // Accept thread only, and the destructor after it.
  std::list<std::unique_ptr<Connection>> connections_;
  std::thread thread_;
};

/// Sends one request to the mount whose control socket is in `directory` and waits for its answer. `on_progress` gets
/// every line as it comes, the last one (the answer) too. Errors: NotFound (nothing is mounted with that directory), TimedOut, Offline (the process
/// ended meanwhile), Cancelled.
Result<std::string> control_call(const std::string& directory, const std::string& request,
                                 std::chrono::milliseconds timeout, std::stop_token stop = {},
                                 const std::function<void(const std::string&)>& on_progress = nullptr);

}  // namespace skymoor::client
