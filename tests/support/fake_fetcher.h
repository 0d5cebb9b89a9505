// FakeFetcher: the filesystem's way to the server, as a test wants it.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "fuse/filesystem/filesystem.h"

namespace skymoor::client {

/// Offline until a test says how to meet a need. Thread-safe.
class FakeFetcher final : public Fetcher {
 public:
  std::function<Status(const Need&)> on_fetch;
  VolumeStatistics statistics;                ///< total 0: not heard of yet
  Status remote_sync;
  std::string state = "synced";
  std::atomic<int> changes{0};
  std::atomic<bool> sending{false};
  std::atomic<bool> reachable{true};

  Status fetch(const Need& need, Instant, std::stop_token) override {
    {
      std::lock_guard lock(mutex_);
      needs_.push_back(need);
    }
    return on_fetch ? on_fetch(need) : Status(Error(Code::kOffline, "no server in this test"));
  }
  void prefetch(InodeId inode, Extent extent) override {
    std::lock_guard lock(mutex_);
    prefetches_.emplace_back(inode, extent);
  }
  bool online() override { return reachable; }
  bool makes_room() override { return sending; }
  VolumeStatistics volume_statistics() override { return statistics; }
  void changed() override { ++changes; }
  Status sync_remote(Lsn lsn, Instant, std::stop_token) override {
    std::lock_guard lock(mutex_);
    synced_.push_back(lsn);
    return remote_sync;
  }
  std::string state_of(InodeId) override { return state; }

  std::vector<Need> needs() const {
    std::lock_guard lock(mutex_);
    return needs_;
  }
  std::vector<std::pair<InodeId, Extent>> prefetches() const {
    std::lock_guard lock(mutex_);
    return prefetches_;
  }
  std::vector<Lsn> synced() const {
    std::lock_guard lock(mutex_);
    return synced_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Need> needs_;
  std::vector<std::pair<InodeId, Extent>> prefetches_;
  std::vector<Lsn> synced_;
};

}  // namespace skymoor::client
