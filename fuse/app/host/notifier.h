// The notifier: a process of a mount's supervisor that tells the kernel what the worker has to tell it.
#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "fuse/app/mount/lock_ranks.h"
#include "shared/base/fd.h"

namespace skymoor::client {

/// A notice may wait in the kernel, deaf to signals, for a lock that an unanswered request holds. A worker that died there
/// would not end, and keep the next one from its state for ever. So another process does it, which has nothing to keep.
/// Writes every message from `socket` to the session and sends back how that went; returns when nobody is left to ask. By a few
/// threads: one notice may wait for long, and others are of no concern to it. Who sends one after the other keeps their order.
/// With nobody left, a notice that still waits may wait for an answer that never comes: `nobody_left` is called before
/// the threads are waited for.
void run_notifier(int session_fd, int socket, const std::function<void()>& nobody_left = [] {});

/// The worker's end. Thread-safe: of those who wait for answers, one reads for all.
class NotifierLink {
 public:
  /// Numbers begin at the time of day: answers to an earlier worker's messages must not fit.
  NotifierLink(UniqueFd socket, std::uint64_t first) : socket_(std::move(socket)), next_(first) {}
  /// The errno of writing the message, 0 for success; EPIPE: there is no notifier; ECANCELED: stopped meanwhile.
  int notify(const iovec* iov, int count);
  void stop();
  int fd() const { return socket_.get(); }

 private:
  int answer_to(std::uint64_t number);
  void read_answer(const MutexLock&) REQUIRES(mutex_);   ///< lets go of the mutex for a while

  // Constant after construction.
  const UniqueFd socket_;
  // Guarded by mutex_.
  Mutex mutex_{kNotifierRank, "app.notifier"};
  CondVar changed_;
  std::uint64_t next_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::optional<int>> asked_ GUARDED_BY(mutex_);   // who still wants to know, and the errno
  bool reading_ GUARDED_BY(mutex_) = false, gone_ GUARDED_BY(mutex_) = false, stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace skymoor::client
