// Eviction: the least recently used clean files go until the clean ones fit.
#include <algorithm>

#include "fuse/cache/disk_backing_store.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kBatch = 4096;          // candidates looked at in one pass over the table
constexpr std::size_t kMostBatches = 32;      // of one call: a full disk asks again, and goes on behind those that stay
constexpr std::size_t kMisfiledBatch = 1024;
constexpr std::chrono::milliseconds kUsagePatience{50};

bool before(const FileEntry& a, const FileEntry& b) { return FileTable::older(a.last_use, b.last_use); }

}  // namespace

BackingStore::Usage DiskBackingStore::usage() {
  // Status and statfs ask: they do not wait for a disk that hangs.
  MutexLock lock(mutex_, kUsagePatience);
  if (lock.held()) refresh_open(lock);
  return {clean_bytes_, dirty_bytes_, options_.clean_limit_bytes};
}

/// The `limit` least recently used files that nobody has open, oldest first.
std::vector<FileEntry> DiskBackingStore::oldest(std::size_t limit, bool dirty) {
  std::vector<FileEntry> heap;  // its top is the most recently used of those kept
  MutexLock lock(mutex_);
  table_.for_each([&](const FileEntry& entry) REQUIRES(mutex_) {
    if (entry.dirty != dirty) return;
    if (heap.size() == limit && !before(entry, heap.front())) return;
    auto it = open_.find(entry.inode);
    if (it != open_.end() && it->second.file.use_count() > 1) return;
    if (heap.size() == limit) {
      std::pop_heap(heap.begin(), heap.end(), before);
      heap.pop_back();
    }
    heap.push_back(entry);
    std::push_heap(heap.begin(), heap.end(), before);
  });
  std::sort_heap(heap.begin(), heap.end(), before);
  return heap;
}

/// Bytes freed; 0 when the file stays.
Result<std::uint64_t> DiskBackingStore::try_evict(EvictionJudge& judge, InodeId inode) {
  {
    MutexLock lock(mutex_);
    // One that lies under another's name goes when it has its own.
    if (going_.count(inode) != 0 || unseen_->contains(inode) || !table_.find(inode) || lies_as_.contains(inode))
      return std::uint64_t{0};
    auto it = open_.find(inode);
    if (it != open_.end() && it->second.file.use_count() > 1) return std::uint64_t{0};
    going_.insert(inode);
  }
  bool may_go = judge.give_up(inode);
  MutexLock lock(mutex_);
  going_.erase(inode);
  settled_.notify_all();
  if (!may_go) {
    table_.use(inode, ++tick_);  // dirty or wanted: no candidate for a while
    return std::uint64_t{0};
  }
  auto entry = table_.find(inode);
  if (!entry || lies_as_.contains(inode)) return std::uint64_t{0};
  if (auto it = open_.find(inode); it != open_.end()) {
    refresh(lock, inode, *it->second.file);
    entry = table_.find(inode);
  }
  TRY(remove_locked(lock, inode));
  return entry->allocated_bytes;
}

/// Files that lie in the state directory although the server has them: a crash came between the acknowledgement and
/// make_clean. A bounded number of them is asked about in each call.
Result<std::uint64_t> DiskBackingStore::evict_misfiled(EvictionJudge& judge, std::uint64_t wanted_bytes) {
  std::uint64_t freed = 0;
  for (const FileEntry& entry : oldest(kMisfiledBatch, true)) {
    if (freed >= wanted_bytes) break;
    freed += TRY(try_evict(judge, entry.inode));
  }
  return freed;
}

/// One pass over the oldest clean files. `more`: there are others behind them.
Result<std::uint64_t> DiskBackingStore::evict_batch(EvictionJudge& judge, std::uint64_t wanted_bytes, bool& more) {
  std::uint64_t freed = 0;
  std::vector<FileEntry> candidates = oldest(kBatch, false);
  more = candidates.size() == kBatch;
  for (const FileEntry& entry : candidates) {
    if (freed >= wanted_bytes) break;
    freed += TRY(try_evict(judge, entry.inode));
  }
  return freed;
}

Result<std::uint64_t> DiskBackingStore::evict(EvictionJudge& judge, std::uint64_t target_bytes) {
  std::uint64_t target = std::min(target_bytes, options_.clean_limit_bytes), freed = 0;
  std::uint64_t clean = usage().clean_bytes;
  std::size_t rounds = 0;
  {
    MutexLock lock(mutex_);
    rounds = std::min(table_.size() / kBatch + 1, kMostBatches);
  }
  // Those that stay (pinned) are behind all others in the next round.
  for (bool more = true; clean > target && more && rounds > 0; --rounds) {
    freed += TRY(evict_batch(judge, clean - target, more));
    clean = usage().clean_bytes;
  }
  // Still short, or asked for room whatever the limit says: look where clean files may have been left behind.
  bool pressed = target_bytes < options_.clean_limit_bytes;
  if (clean > target || pressed)
    freed += TRY(evict_misfiled(judge, clean > target ? clean - target : UINT64_MAX));
  if (freed != 0) log_debug("cache.evicted", {{"bytes", freed}});
  return freed;
}

}  // namespace skymoor::client
