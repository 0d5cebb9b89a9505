#include "shared/base/executor.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor {
namespace {
constexpr LockRank kExecutorRank = 60000;  // a leaf: nothing is called with it held
}

void set_thread_name(const std::string& name) { pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()); }

void set_thread_nice(int nice) { (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice); }

Executor::Executor(Options options) : options_(std::move(options)), mutex_(kExecutorRank, "executor") {
  for (std::size_t i = 0; i < options_.threads; ++i)
    threads_.emplace_back([this, i] {
      set_thread_name(options_.name + "-" + std::to_string(i));
      if (options_.nice != 0) set_thread_nice(options_.nice);
      run();
    });
}

Executor::~Executor() { stop(); }

Status Executor::submit(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (stopping_) return Error(Code::kCancelled, options_.name + " is stopping");
  if (queue_.size() >= options_.queue_limit) return Error(Code::kBusy, options_.name + ": too much is waiting");
  queue_.push_back(std::move(task));
  changed_.notify_one();
  return {};
}

void Executor::run() {
  MutexLock lock(mutex_);
  for (;;) {
    while (queue_.empty() && !stopping_) changed_.wait(lock);
    if (queue_.empty()) return;
    auto task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    const Status done = contained([&]() -> Status {
      task();
      return {};
    });
    if (!done.ok()) log_error("executor.task_threw", {{"pool", options_.name}, {"error", done.error()}});
    task = nullptr;
    lock.lock();
    --running_;
    if (queue_.empty() && running_ == 0) idle_.notify_all();
  }
}

void Executor::drain() {
  MutexLock lock(mutex_);
  while (!queue_.empty() || running_ > 0) idle_.wait(lock);
}

void Executor::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}

std::size_t Executor::queued() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

}  // namespace skymoor
