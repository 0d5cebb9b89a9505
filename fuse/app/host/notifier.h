// The notifier: a process of a mount's supervisor that tells the kernel what the worker has to tell it.
#pragma once
#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "shared/base/fd.h"

namespace skymoor::client {

/// A notice may wait in the kernel, deaf to signals, for a lock that an unanswered request holds. A worker that died there
/// would not end, and keep the next one from its state for ever. So another process does it, which has nothing to keep.
/// Writes every message from `socket` to the session and sends back how that went; returns when nobody is left to ask.
void run_notifier(int session_fd, int socket);

/// The worker's end. Used by one thread; `stop` is for any.
class NotifierLink {
 public:
  /// Numbers begin at the time of day: answers to an earlier worker's messages must not fit.
  NotifierLink(UniqueFd socket, std::uint64_t first) : socket_(std::move(socket)), next_(first) {}
  /// The errno of writing the message, 0 for success; EPIPE: there is no notifier; ECANCELED: stopped meanwhile.
  int notify(const iovec* iov, int count);
  void stop() { stopped_ = true; }
  int fd() const { return socket_.get(); }

 private:
  const UniqueFd socket_;
  std::uint64_t next_;
  std::atomic<bool> stopped_{false};
};

}  // namespace skymoor::client
