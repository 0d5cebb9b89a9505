// SlowCalls: where an operation waits for the network, away from the threads that read requests.
#pragma once
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <deque>
#include <functional>

#include "fuse/channel/waiting_calls.h"
#include "fuse/filesystem/filesystem.h"
#include "shared/base/executor.h"
#include "shared/base/watchdog.h"

namespace skymoor::client {

/// Role: runs "fetch what is missing, then ask again" on bounded pools. A call's deadline counts from its arrival and ends
/// it also while it is queued; so does a signal that ends its caller. What waits for bytes, for names, for news and for the
/// disk has threads of its own each: a directory is listed while many reads hang, and an fsync waits for neither.
/// Thread-safe. Failure: a call beyond WaitingCalls::kMaxWaiting is answered EIO. Not EAGAIN: programs take that for the
/// end of what a regular file has for them. Not left unread either: what is behind it may be local.
class SlowCalls {
 public:
  /// Tries the operation once. True: it was answered. False: `request.need` says what it lacks.
  using Attempt = std::function<bool(Request&)>;

  /// `watchdog`, if any, is told of what runs on the disk's threads.
  SlowCalls(Filesystem& filesystem, Watchdog* watchdog);
  /// How many threads read requests: all but one of them may wait for the disk. Call before the first request.
  void start(int readers) { spare_readers_ = filesystem_.syncs_remotely() ? 0 : readers - 1; }
  ~SlowCalls() { stop(); }
  /// Takes over a request whose first attempt lacked something; answers it in the end, with the fetch's errno on failure,
  /// ETIMEDOUT at the deadline, EINTR for a caller that is to end.
  void take(fuse_req_t req, Request request, Attempt attempt);
  /// Runs an operation that waits for the disk (fsync) and answers with its errno: here, as long as another thread is
  /// left that reads requests, because waking one of the pool takes as long as a fast disk; else on a pool. One that asks
  /// the server (fsync=remote) is answered by a signal and a deadline like any other call; what it was doing on the disk then
  /// goes on to its end unseen.
  void run_blocking(fuse_req_t req, std::function<Status(Request&)> operation);
  /// The part of it that asks the server, for one whose success is answered otherwise: an O_SYNC write.
  void run_remote_sync(fuse_req_t req, std::function<Status(Request&)> operation, std::function<void()> answer_success);
  /// Interrupts what waits and refuses more. `unanswered`: what waited gets no answer, another process will give it.
  void stop(bool unanswered = false);

 private:
  struct Call;
  struct LateRead {
    InodeId inode;
    Extent extent;
    Instant when;
  };

  void listen(Call& call);
  bool claim(Call& call);
  void run_by(const std::shared_ptr<Call>& call, Executor& pool, std::function<void()> work);
  Status submit(Executor& pool, std::function<void()> work);
  void run(const std::shared_ptr<Call>& call);
  void answer(Call& call, int error);
  void answer_end(Call& call, WaitingCalls::End why);
  Executor& pool_for(const Need& need);
  bool was_late(const Need& need);
  void note_late(const Need& need);

  // Constant after construction.
  Filesystem& filesystem_;
  Watchdog* const watchdog_;
  // Own synchronisation.
  std::atomic<int> spare_readers_{0};
  std::atomic<bool> unanswered_{false};
  WaitingCalls waiting_;
  Executor contents_, names_, fresh_, room_, local_, syncs_;
  // Guarded by late_mutex_.
  Mutex late_mutex_;
  std::deque<LateRead> late_ GUARDED_BY(late_mutex_);   // oldest first
};

}  // namespace skymoor::client
