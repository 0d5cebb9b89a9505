#include "fuse/app/control/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <atomic>

#include "fuse/app/control/socket_address.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxConnections = 32;
constexpr int kStopCheckMs = 200;
constexpr int kRequestTimeoutMs = 10000;
constexpr int kAnswerTimeoutMs = 10000;   // of an asker that takes nothing: stopped, most of the time

bool may_ask(int fd) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

bool send_line(int fd, const std::string& line, const std::stop_token& stop) {
  const std::string whole = line + "\n";
  int waited = 0;
  for (std::size_t at = 0; at < whole.size();) {
    const ssize_t n = ::send(fd, whole.data() + at, whole.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      at += static_cast<std::size_t>(n);
      waited = 0;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || errno != EAGAIN || waited >= kAnswerTimeoutMs || stop.stop_requested()) return false;
    pollfd p{fd, POLLOUT, 0};
    if (::poll(&p, 1, kStopCheckMs) == 0) waited += kStopCheckMs;
  }
  return true;
}

/// The asker hung up: the other direction stays open as long as it waits.
bool has_gone(int fd) {
  pollfd p{fd, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

struct ControlServer::Connection {
  UniqueFd fd;
  std::atomic<bool> done{false};
  std::thread thread;
};

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& directory, ControlHandler& handler) {
  UniqueFd folder(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Error::from_errno(errno, "open " + directory);
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener) return Error::from_errno(errno, "control socket");
  ::unlinkat(folder.get(), kControlSocket, 0);
  const sockaddr_un address = socket_address(folder, kControlSocket);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Error::from_errno(errno, "control socket in " + directory);
  // Not by umask, which is the whole process's; the directory keeps others out meanwhile.
  if (::fchmodat(folder.get(), kControlSocket, 0600, 0) != 0) return Error::from_errno(errno, "control socket");
  if (::listen(listener.get(), 16) != 0) return Error::from_errno(errno, "control socket");
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(folder), std::move(listener), handler));
}

ControlServer::ControlServer(UniqueFd directory, UniqueFd listener, ControlHandler& handler)
    : directory_(std::move(directory)), listener_(std::move(listener)), handler_(handler) {
  thread_ = std::thread([this] {
    set_thread_name("control");
    accept_loop();
  });
}

ControlServer::~ControlServer() {
  stop_.request_stop();
  ::unlinkat(directory_.get(), kControlSocket, 0);
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  for (auto& connection : connections_) {
    ::shutdown(connection->fd.get(), SHUT_RD);
    connection->thread.join();
  }
}

void ControlServer::accept_loop() {
  while (!stop_.stop_requested()) {
    pollfd p{listener_.get(), POLLIN, 0};
    ::poll(&p, 1, kStopCheckMs);
    reap();
    if (!(p.revents & POLLIN)) continue;
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) std::this_thread::sleep_for(std::chrono::milliseconds(kStopCheckMs));   // no descriptor left: the asker stays in the queue
    if (!fd || !may_ask(fd.get())) continue;
    if (connections_.size() >= kMaxConnections) {
      send_line(fd.get(), R"({"ok":false,"code":"busy","message":"too many requests at this mount"})", stop_.get_token());
      continue;
    }
    const Status begun = contained([&] { return begin(std::move(fd)); });
    if (!begun.ok()) log_warn("control.refused", {{"error", begun.error()}});
  }
}

Status ControlServer::begin(UniqueFd fd) {
  std::list<std::unique_ptr<Connection>> kept;
  Connection& made = *kept.emplace_back(std::make_unique<Connection>());
  made.fd = std::move(fd);
  made.thread = std::thread([this, &made] {
    set_thread_name("control-call");
    serve(made);
    ::shutdown(made.fd.get(), SHUT_RDWR);
    made.done = true;
  });
  connections_.splice(connections_.end(), kept);
  return {};
}

void ControlServer::reap() {
  connections_.remove_if([](const std::unique_ptr<Connection>& connection) {
    if (!connection->done) return false;
    connection->thread.join();
    return true;
  });
}

void ControlServer::serve(Connection& connection) {
  const int fd = connection.fd.get();
  std::string request;
  for (;;) {
    pollfd p{fd, POLLIN, 0};
    if (::poll(&p, 1, kRequestTimeoutMs) <= 0 || stop_.stop_requested()) return;
    char piece[4096];
    const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    request.append(piece, static_cast<std::size_t>(n));
    if (request.find('\n') != std::string::npos) break;
    if (request.size() > kMaxControlLine) return;
  }
  request.resize(request.find('\n'));
  try {
    handler_.handle(
        request,
        [&](const std::string& line) {
          return !has_gone(fd) && !stop_.stop_requested() && send_line(fd, line, stop_.get_token());
        },
        stop_.get_token());
  } catch (const std::exception& e) {
    log_error("control.handler_threw", {{"what", e.what()}});
  }
}

}  // namespace skymoor::client
