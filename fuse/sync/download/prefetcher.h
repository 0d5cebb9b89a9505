// Prefetcher: fetches ahead of readers, as long as there is nothing better to do.
#pragma once
#include <deque>
#include <thread>
#include <vector>

#include "fuse/sync/download/content_fetcher.h"

namespace skymoor::client {

/// A bounded queue of hints and two threads that follow them; the oldest hints are dropped when it is full.
/// Thread-safe. Failures are nobody's business: the read that comes will have its own.
class Prefetcher {
 public:
  Prefetcher(ContentFetcher& fetcher, Connection& connection, Clock& clock);
  ~Prefetcher() { stop(); }
  void add(InodeId inode, Extent extent);
  void stop();

 private:
  void run(std::stop_token stop);

  static constexpr std::size_t kMaxQueued = 128;
  ContentFetcher& fetcher_;
  Connection& connection_;
  Clock& clock_;
  // Guarded by mutex_.
  Mutex mutex_{kPrefetchRank, "sync.prefetch"};
  CondVar changed_;
  std::deque<std::pair<InodeId, Extent>> queue_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace skymoor::client
