// GroupWriter: runs updates of many threads one after the other in shared transactions.
#pragma once
#include <deque>
#include <functional>
#include <thread>

#include "backend-server/metadata_store/sqlite/connection.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

/// Owns one thread and, while it runs, the connection. Thread-safe. A group is every job that waits when a transaction
/// begins, as far as `group_limit` and `group_time` allow; each job runs inside a savepoint, so that one that fails leaves
/// the others alone; all are answered after COMMIT. With synchronous=FULL that is one fsync for the group.
/// States of a job: waiting -> applied -> answered. Failure: when BEGIN or COMMIT fails, every job of the group fails with
/// that error and nothing of the group is kept.
class GroupWriter {
 public:
  struct Options {
    std::size_t queue_limit = 1024;
    std::size_t group_limit = 256;
    std::chrono::milliseconds group_time{100};  ///< no further job joins a transaction that is older
    const char* thread_name = "db-writer";
  };
  GroupWriter(Connection& connection, Options options);
  /// Answers jobs that wait with Cancelled, then joins.
  ~GroupWriter();

  /// Blocks until the job is durable or refused. Errors: the job's own, Busy (queue full), Cancelled, Io, NoSpace.
  Status run(const std::function<Status()>& job);

 private:
  struct Job {
    const std::function<Status()>* work;
    Status result;
    bool done = false;
    CondVar answered;
  };
  void serve();
  std::deque<Job*> next_group();
  std::size_t apply(std::deque<Job*>& group);
  Status apply_one(Job& job);
  void answer(const std::deque<Job*>& jobs, std::size_t count);

  // Constant after construction.
  Connection& connection_;
  const Options options_;
  // Guarded by mutex_.
  Mutex mutex_;
  CondVar work_;
  std::deque<Job*> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace skymoor::server
