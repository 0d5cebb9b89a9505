#include "fuse/sync/download/directory_walk.h"

#include <algorithm>

#include "shared/base/executor.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kKeptParents = 64, kFirstWindow = 4;
constexpr unsigned kWaitsOfAWalk = 2;
constexpr std::size_t kEntriesLookedAt = 2000;   // for subdirectories among many files
constexpr std::chrono::seconds kPatience{20};
constexpr std::size_t kMaxAgain = 4096;
constexpr std::chrono::milliseconds kFirstAgainPause{500}, kLongestAgainPause{60000};

}  // namespace

DirectoryWalk::DirectoryWalk(Dependencies dependencies) : d_(std::move(dependencies)) {
  if (d_.limit == 0) return;
  for (std::size_t i = 0; i < d_.threads; ++i)
    threads_.emplace_back([this](std::stop_token stop) {
      set_thread_name("list-ahead");
      run(std::move(stop));
    });
}

void DirectoryWalk::stop() {
  for (auto& thread : threads_) thread.request_stop();
  {
    MutexLock lock(mutex_);
    queue_.clear();
    changed_.notify_all();
  }
  threads_.clear();
}

/// True for a walk.
bool DirectoryWalk::note_wait(InodeId parent, InodeId grandparent) {
  MutexLock lock(mutex_);
  const auto find = [&](InodeId id) REQUIRES(mutex_) {
    return std::find_if(waits_.begin(), waits_.end(), [id](const Waits& w) { return w.parent == id; });
  };
  // Whoever went through the parent's siblings goes on inside it.
  const auto above = find(grandparent);
  const bool inherited = above != waits_.end() && above->count >= kWaitsOfAWalk;
  if (auto it = find(parent); it != waits_.end()) waits_.splice(waits_.begin(), waits_, it);
  else waits_.push_front({parent, 0});
  if (waits_.size() > kKeptParents) waits_.pop_back();
  Waits& now = waits_.front();
  now.count = std::max(now.count + 1, inherited ? kWaitsOfAWalk : 0);
  if (now.count < kWaitsOfAWalk) return false;
  window_ = std::clamp(window_ * 2, std::min(kFirstWindow, d_.limit), d_.limit);
  return true;
}

/// Subdirectories of a listed directory, in the order of readdir after a place, that were never listed.
std::vector<InodeId> DirectoryWalk::unlisted(InodeId directory, std::uint64_t after, std::size_t limit) {
  std::vector<InodeId> found;
  MutexLock lock(d_.store.mutex());
  auto entries = d_.store.list(lock, directory, after, kEntriesLookedAt);
  if (!entries.ok()) return found;
  for (const DentryRow& entry : *entries) {
    if (found.size() == limit) break;
    if (entry.type != FileType::kDirectory) continue;
    auto row = d_.store.inode(lock, entry.inode);
    if (row.ok() && !row->listed && row->links > 0) found.push_back(entry.inode);
  }
  return found;
}

void DirectoryWalk::waited_for(InodeId directory) {
  if (d_.limit == 0 || directory == kRootInode) return;
  InodeId parent, grandparent;
  std::uint64_t place = 0;
  {
    MutexLock lock(d_.store.mutex());
    auto links = d_.store.links(lock, directory);
    if (!links.ok() || links->empty()) return;
    parent = links->front().directory;
    place = links->front().cookie;
    auto above = d_.store.inode(lock, parent);
    if (above.ok()) grandparent = above->parent;
  }
  if (!note_wait(parent, grandparent)) return;
  std::size_t window;
  {
    MutexLock lock(mutex_);
    window = window_;
  }
  // What lies inside comes before what lies beside.
  std::vector<InodeId> next = unlisted(directory, 0, window);
  const std::vector<InodeId> beside = unlisted(parent, place, window - std::min(window, next.size()));
  next.insert(next.end(), beside.begin(), beside.end());
  MutexLock lock(mutex_);
  for (InodeId one : next)
    if (std::find(queue_.begin(), queue_.end(), one) == queue_.end()) queue_.push_back(one);
  while (queue_.size() > 2 * d_.limit) queue_.pop_front();
  changed_.notify_all();
}

void DirectoryWalk::list_again(const std::vector<InodeId>& directories) {
  if (d_.limit == 0) return;
  MutexLock lock(mutex_);
  for (InodeId one : directories)
    if (again_.size() < kMaxAgain && std::find(again_.begin(), again_.end(), one) == again_.end()) again_.push_back(one);
  changed_.notify_all();
}

std::optional<DirectoryWalk::Next> DirectoryWalk::next(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto pause = again_due_ - std::chrono::steady_clock::now();
    for (auto* queue : {&again_, &queue_}) {
      if (queue->empty() || (queue == &again_ && pause.count() > 0)) continue;
      const Next found{queue->front(), queue == &again_};
      queue->pop_front();
      return found;
    }
    if (again_.empty()) changed_.wait(lock);
    else changed_.wait_for(lock, pause);
  }
  return std::nullopt;
}

/// Ok also where it is gone, or is no business of the walk any more.
Status DirectoryWalk::list(InodeId directory, const std::stop_token& stop) {
  TRY(d_.connection.ready());
  {
    MutexLock lock(d_.store.mutex());
    const auto row = d_.store.inode(lock, directory);
    if (!row.ok() || row->listed) return {};   // gone, or somebody was faster
  }
  return d_.fetcher.fetch_directory(directory, {kPatience, stop});
}

void DirectoryWalk::run(std::stop_token stop) {
  while (const auto next = this->next(stop)) {
    const Status listed = contained([&] { return list(next->directory, stop); });
    if (next->again) (void)contained([&] { return note_listed(next->directory, listed); });
  }
}

/// One that failed comes again after a pause, which grows while nothing succeeds. Nothing comes of one that is gone or damaged, nor of
/// any once a person has to decide.
Status DirectoryWalk::note_listed(InodeId directory, const Status& listed) {
  const bool over = listed.ok() || listed.error().code() == Code::kStale || listed.error().code() == Code::kCorrupt;
  {
    MutexLock lock(mutex_);
    again_pause_ = listed.ok() ? kFirstAgainPause : std::min(kLongestAgainPause, again_pause_ * 2);
    if (!over) again_due_ = std::chrono::steady_clock::now() + again_pause_;
  }
  if (!over && !d_.connection.stopped()) list_again({directory});
  return {};
}

}  // namespace skymoor::client
