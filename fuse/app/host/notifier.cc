#include "fuse/app/host/notifier.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxMessage = 8192;   // a name and a few numbers
constexpr int kStopCheckMs = 100;
constexpr int kThreads = 8;   // one for changes from elsewhere, the others for what calls ask for

struct Answer {
  std::uint64_t number;
  std::int32_t error, padding;
};

void pass_on(int session_fd, int socket) {
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

}  // namespace

void run_notifier(int session_fd, int socket, const std::function<void()>& nobody_left) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(pass_on, session_fd, socket);
  pollfd others{socket, 0, 0};
  while (::poll(&others, 1, -1) < 0 && errno == EINTR) {
  }
  nobody_left();
}

int NotifierLink::notify(const iovec* iov, int count) {
  std::uint64_t number;
  {
    MutexLock lock(mutex_);
    number = next_++;
    asked_.emplace(number, std::nullopt);
  }
  std::vector<char> message(sizeof number);
  std::memcpy(message.data(), &number, sizeof number);
  for (int i = 0; i < count; ++i) {
    const char* part = static_cast<const char*>(iov[i].iov_base);
    message.insert(message.end(), part, part + iov[i].iov_len);
  }
  const bool sent = message.size() <= kMaxMessage && ::send(fd(), message.data(), message.size(), MSG_NOSIGNAL) >= 0;
  const int error = sent ? answer_to(number) : EPIPE;
  MutexLock lock(mutex_);
  asked_.erase(number);
  return error;
}

int NotifierLink::answer_to(std::uint64_t number) {
  MutexLock lock(mutex_);
  for (;;) {
    if (asked_[number]) return *asked_[number];
    if (stopped_) return ECANCELED;
    if (gone_) return EPIPE;
    if (reading_)
      changed_.wait(lock);
    else
      read_answer(lock);
  }
}

void NotifierLink::read_answer(const MutexLock&) {
  reading_ = true;
  Answer answer = {};
  ssize_t size = -1;
  bool gone;
  {
    MutexUnlock meanwhile(mutex_);
    pollfd p{fd(), POLLIN, 0};
    errno = EAGAIN;
    if (::poll(&p, 1, kStopCheckMs) > 0) size = ::recv(fd(), &answer, sizeof answer, MSG_DONTWAIT);
    gone = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
  }
  reading_ = false;
  gone_ = gone_ || gone;
  if (size == sizeof answer)
    if (auto it = asked_.find(answer.number); it != asked_.end()) it->second = answer.error;   // else a dead worker's
  changed_.notify_all();
}

void NotifierLink::stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace skymoor::client
