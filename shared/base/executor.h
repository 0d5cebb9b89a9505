// A bounded pool of threads for work that may block.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/mutex.h"

namespace skymoor {

/// Runs tasks on `threads` threads in the order given, with at most `queue_limit` waiting. Thread-safe. A task must
/// not throw (an exception is logged and swallowed). Destruction runs what is queued, then joins.
class Executor {
 public:
  struct Options {
    std::string name = "worker";   ///< thread name, at most 12 characters
    std::size_t threads = 1;
    std::size_t queue_limit = 1024;
    int nice = 0;                  ///< of its threads: background work gives way to what somebody waits for
  };
  explicit Executor(Options options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Errors: Busy when `queue_limit` tasks wait, Cancelled after `stop`. Never blocks.
  Status submit(std::function<void()> task);
  /// Waits until nothing is queued or running.
  void drain();
  /// Takes no more tasks, finishes those queued, joins. Idempotent.
  void stop();
  std::size_t queued() const;

 private:
  void run();

  // Constant after construction.
  const Options options_;
  // Guarded by mutex_.
  mutable Mutex mutex_;
  CondVar changed_;   // something to do, or the end
  CondVar idle_;      // nothing queued or running; apart, or each task that ends would wake every thread
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

/// Names the calling thread (at most 15 characters), as ps and gdb show it.
void set_thread_name(const std::string& name);
/// Of the calling thread alone, from -20 to 19; more is less of the processor. Best effort. Source: man 2 setpriority.
void set_thread_nice(int nice);

}  // namespace skymoor
