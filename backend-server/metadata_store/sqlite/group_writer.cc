#include "backend-server/metadata_store/sqlite/group_writer.h"

#include <exception>

#include "backend-server/metadata_store/sqlite/lock_ranks.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::server {

GroupWriter::GroupWriter(Connection& connection, Options options)
    : connection_(connection), options_(options), mutex_(kGroupWriterRank, "group writer") {
  thread_ = std::jthread([this] { serve(); });
}

GroupWriter::~GroupWriter() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
  }
  thread_.join();
}

Status GroupWriter::run(const std::function<Status()>& work) {
  Job job{&work};
  MutexLock lock(mutex_);
  if (stopping_) return Error(Code::kCancelled, "the server is stopping");
  if (queue_.size() >= options_.queue_limit) return Error(Code::kBusy, "too many updates are waiting; try again");
  queue_.push_back(&job);
  work_.notify_one();
  while (!job.done) job.answered.wait(lock);
  return std::move(job.result);
}

void GroupWriter::serve() {
  set_thread_name(options_.thread_name);
  MustFinish finishing;   // each job is answered
  for (;;) {
    (void)MustFinish::ready();
    std::deque<Job*> group = next_group();
    if (group.empty()) return;
    while (!group.empty()) {
      std::size_t applied = apply(group);
      answer(group, applied);
      group.erase(group.begin(), group.begin() + static_cast<std::ptrdiff_t>(applied));
    }
  }
}

/// Waits for work; empty: stopping.
std::deque<GroupWriter::Job*> GroupWriter::next_group() {
  MutexLock lock(mutex_);
  while (queue_.empty() && !stopping_) work_.wait(lock);
  std::deque<Job*> group;
  if (stopping_) {
    for (Job* job : queue_) {
      job->result = Error(Code::kCancelled, "the server is stopping");
      job->done = true;
      job->answered.notify_one();
    }
    queue_.clear();
    return group;
  }
  while (!queue_.empty() && group.size() < options_.group_limit) {
    group.push_back(queue_.front());
    queue_.pop_front();
  }
  return group;
}

/// Runs jobs from the front in one transaction; returns how many of them have their result.
std::size_t GroupWriter::apply(std::deque<Job*>& group) {
  auto fail_first = [&](std::size_t count, const Error& error) {
    log_error("metadata.group_failed", {{"error", error}, {"jobs", count}});
    for (std::size_t i = 0; i < count; ++i) group[i]->result = error;
    return count;
  };
  auto transaction = sqlite::Transaction::begin(connection_.database());
  if (!transaction.ok()) return fail_first(group.size(), transaction.error());
  const auto deadline = std::chrono::steady_clock::now() + options_.group_time;
  std::size_t applied = 0;
  while (applied < group.size() && (applied == 0 || std::chrono::steady_clock::now() < deadline))
    if (Status kept = apply_one(*group[applied++]); !kept.ok()) return fail_first(applied, kept.error());
  if (Status committed = transaction->commit(); !committed.ok()) return fail_first(applied, committed.error());
  return applied;
}

/// Gives the job its result. Errors: the transaction itself is lost (SQLite rolls all of it back when the disk is full).
Status GroupWriter::apply_one(Job& job) {
  TRY(connection_.run("SAVEPOINT job"));
  job.result = contained(*job.work);
  if (!job.result.ok() && job.result.error().code() == Code::kInternal)
    log_error("metadata.update_threw", {{"error", job.result.error()}});
  if (!job.result.ok()) TRY(connection_.run("ROLLBACK TO job"));
  return connection_.run("RELEASE job");
}

void GroupWriter::answer(const std::deque<Job*>& jobs, std::size_t count) {
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < count; ++i) {
    jobs[i]->done = true;
    jobs[i]->answered.notify_one();  // under the lock: the job lives on its caller's stack and goes once it is done
  }
}

}  // namespace skymoor::server
