// SlowCalls: where an operation waits for the network, away from the threads that read requests.
#pragma once
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <functional>

#include "fuse/filesystem/filesystem.h"
#include "shared/base/executor.h"

namespace skymoor::client {

/// Runs "fetch what is missing, then ask again" on a bounded pool. An interrupted caller's fetch ends at once. Thread-
/// safe. A request that finds the pool full is answered EAGAIN's kin, EIO, rather than queued without bound.
class SlowCalls {
 public:
  /// Tries the operation once. True: it was answered. False: `request.need` says what it lacks.
  using Attempt = std::function<bool(Request&)>;

  explicit SlowCalls(Filesystem& filesystem);
  /// How many threads read requests: all but one of them may wait for the disk. Call before the first request.
  void start(int readers) { spare_readers_ = filesystem_.syncs_remotely() ? 0 : readers - 1; }
  ~SlowCalls() { stop(); }
  /// Takes over a request whose first attempt lacked something; answers it in the end, with the fetch's errno on failure.
  void take(fuse_req_t req, Request request, Attempt attempt);
  /// Runs an operation that waits for the disk (fsync) and answers with its errno: here, as long as another thread is
  /// left that reads requests, because waking one of the pool takes as long as a fast disk; else on the pool.
  void run_blocking(fuse_req_t req, std::function<Status(Request&)> operation);
  /// Interrupts what waits and refuses more. `unanswered`: what waited gets no answer, another process will give it.
  void stop(bool unanswered = false);

 private:
  struct Call;
  void run(const std::shared_ptr<Call>& call);

  Filesystem& filesystem_;
  std::stop_source stop_;
  std::atomic<int> spare_readers_{0};
  std::atomic<bool> unanswered_{false};
  Executor pool_;
};

}  // namespace skymoor::client
