#include "fuse/sync/download/prefetcher.h"

#include "fuse/sync/waiting.h"
#include "shared/base/executor.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {

Prefetcher::Prefetcher(ContentFetcher& fetcher, Connection& connection, Clock& clock)
    : fetcher_(fetcher), connection_(connection), clock_(clock) {
  for (int i = 0; i < 2; ++i)
    threads_.emplace_back([this](std::stop_token stop) {
      set_thread_name("prefetch");
      run(std::move(stop));
    });
}

void Prefetcher::add(InodeId inode, Extent extent) {
  MutexLock lock(mutex_);
  for (auto& [queued, range] : queue_)
    if (queued == inode && range.begin <= extent.end && extent.begin <= range.end) {
      range = {std::min(range.begin, extent.begin), std::max(range.end, extent.end)};
      return;
    }
  if (queue_.size() >= kMaxQueued) queue_.pop_front();
  queue_.emplace_back(inode, extent);
  changed_.notify_one();
}

void Prefetcher::stop() {
  for (auto& thread : threads_) thread.request_stop();
  {
    MutexLock lock(mutex_);
    changed_.notify_all();
  }
  threads_.clear();
}

void Prefetcher::run(std::stop_token stop) {
  while (true) {
    std::pair<InodeId, Extent> next;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stop.stop_requested()) changed_.wait(lock);
      if (stop.stop_requested()) return;
      next = queue_.front();
      queue_.pop_front();
    }
    if (!connection_.ready().ok()) continue;
    (void)contained([&] { return fetcher_.fetch(next.first, next.second, clock_.monotonic() + std::chrono::seconds(30), stop); });
  }
}

}  // namespace skymoor::client
