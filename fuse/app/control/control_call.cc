#include <fcntl.h>
#include <poll.h>

#include "fuse/app/control/control_server.h"
#include "fuse/app/control/socket_address.h"

namespace skymoor::client {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::int64_t kStopCheckMs = 50;

Error nothing_mounted() { return Error(Code::kNotFound, "nothing is mounted with this state directory"); }

Result<UniqueFd> connect_to(const std::string& directory) {
  UniqueFd folder(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return nothing_mounted();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::from_errno(errno, "control socket");
  const sockaddr_un address = socket_address(folder, kControlSocket);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == ENOENT || errno == ECONNREFUSED) return nothing_mounted();  // refused: left by a process that was killed
  return Error::from_errno(errno, "control socket in " + directory);
}

/// Reads more into `buffer`; false at the end of the stream.
Result<bool> read_more(int fd, std::string& buffer, SteadyClock::time_point deadline, const std::stop_token& stop) {
  for (;;) {
    if (stop.stop_requested()) return Error(Code::kCancelled, "cancelled");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) return Error(Code::kTimedOut, "the mount did not answer in time");
    pollfd p{fd, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(left, kStopCheckMs))) <= 0) continue;
    char piece[65536];
    const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    buffer.append(piece, static_cast<std::size_t>(n));
    if (buffer.size() > kMaxControlAnswer) return Error(Code::kTooLarge, "the mount answered too much");
    return true;
  }
}

}  // namespace

Result<std::string> control_call(const std::string& directory, const std::string& request,
                                 std::chrono::milliseconds timeout, std::stop_token stop,
                                 const std::function<void(const std::string&)>& on_progress) {
  const auto deadline = SteadyClock::now() + timeout;
  const UniqueFd fd = TRY(connect_to(directory));
  const std::string line = request + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return Error(Code::kOffline, "the mount process has ended");
  std::string buffer, last;
  bool any = false;
  for (bool more = true; more;) {
    more = TRY(read_more(fd.get(), buffer, deadline, stop));
    for (auto end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n')) {
      last = buffer.substr(0, end);
      any = true;
      if (on_progress) on_progress(last);
      buffer.erase(0, end + 1);
    }
  }
  if (!any) return Error(Code::kOffline, "the mount process ended before it answered");
  return last;
}

}  // namespace skymoor::client
