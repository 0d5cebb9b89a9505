#include "fuse/app/host/notifier.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxMessage = 8192;   // a name and a few numbers
constexpr int kStopCheckMs = 100;

struct Answer {
  std::uint64_t number;
  std::int32_t error, padding;
};

}  // namespace

void run_notifier(int session_fd, int socket) {
  char bytes[sizeof(std::uint64_t) + kMaxMessage];
  for (;;) {
    const ssize_t size = ::recv(socket, bytes, sizeof bytes, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < static_cast<ssize_t>(sizeof(std::uint64_t))) return;
    Answer answer = {};
    std::memcpy(&answer.number, bytes, sizeof answer.number);
    const std::size_t length = static_cast<std::size_t>(size) - sizeof answer.number;
    if (::write(session_fd, bytes + sizeof answer.number, length) < 0) answer.error = errno;
    if (::send(socket, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) return;
  }
}

int NotifierLink::notify(const iovec* iov, int count) {
  std::vector<char> message(sizeof next_);
  const std::uint64_t number = next_++;
  std::memcpy(message.data(), &number, sizeof number);
  for (int i = 0; i < count; ++i) {
    const char* part = static_cast<const char*>(iov[i].iov_base);
    message.insert(message.end(), part, part + iov[i].iov_len);
  }
  if (message.size() > kMaxMessage) return EPIPE;
  if (::send(fd(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return EPIPE;
  while (!stopped_) {
    pollfd p{fd(), POLLIN, 0};
    if (::poll(&p, 1, kStopCheckMs) <= 0) continue;
    Answer answer = {};
    const ssize_t size = ::recv(fd(), &answer, sizeof answer, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return EPIPE;
    if (size == sizeof answer && answer.number == number) return answer.error;   // else a dead worker's
  }
  return ECANCELED;
}

}  // namespace skymoor::client
