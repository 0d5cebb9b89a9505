// The end of an orphan: its rows go by a record, its backing file after it. In the background, many at a time: whoever
// removes a tree does not wait for the disk to free each file.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kReapAtOnce = 128;             // the tables are locked for so many at a time
constexpr std::size_t kReapSoon = 8192;              // more wait no longer than it takes
constexpr std::uint64_t kLargeBytes = 16u << 20;     // whose space is missed at once

}  // namespace

void Engine::forget(InodeId inode) {
  bool soon;
  {
    MutexLock lock(store_.mutex());
    if (orphans_.count(inode) == 0) {
      if (!options_.open_before) return;
      // Perhaps one of the process before.
      auto row = store_.inode(lock, inode);
      if (!row.ok() || row->links != 0) return;
    }
    auto it = open_.find(inode);
    if (it != open_.end() && it->second->handles != 0) {
      it->second->forgotten = true;
      return;
    }
    orphans_.erase(inode);
    doomed_.push_back(inode);
    auto row = store_.inode(lock, inode);
    soon = doomed_.size() % kReapSoon == 0 || (row.ok() && row->attributes.size >= kLargeBytes);
  }
  if (!thread_.joinable()) reap();
  else if (soon) wake();
}

void Engine::reap() {
  for (;;) {
    std::vector<InodeId> dead;
    {
      MutexLock lock(store_.mutex());
      dead = erase_doomed(lock);
      if (dead.empty()) return;
    }
    for (InodeId inode : dead) {
      Status removed = backing_.remove(inode);
      if (!removed.ok()) log_warn("filesystem.orphan.file_kept", {{"inode", inode.value}, {"error", removed.error()}});
    }
  }
}

/// Takes up to kReapAtOnce from the list; answers those whose backing files are to go.
std::vector<InodeId> Engine::erase_doomed(const MutexLock& lock) {
  std::vector<InodeId> dead;
  Change change = store_.begin(lock, LocalIntent{});
  bool rows = false;
  while (!doomed_.empty() && dead.size() < kReapAtOnce) {
    const InodeId inode = doomed_.front();
    doomed_.pop_front();
    auto it = open_.find(inode);
    auto row = store_.inode(lock, inode);
    if (row.ok() && row->links != 0) continue;   // it came back: a conflict or another device gave it a name
    if (it != open_.end() && it->second->handles != 0) {
      orphans_.insert(inode);
      it->second->forgotten = true;
      continue;
    }
    // Another device's change may still give it a name. Once the server knows that it is gone, tree_changed tells.
    if (row.ok() && store_.may_come_back(lock, *row)) {
      orphans_.insert(inode);
      continue;
    }
    allocated_.erase(inode);
    if (row.ok()) change.erase_inode(inode);
    rows |= row.ok();
    dead.push_back(inode);
  }
  if (!rows) return dead;
  if (Status done = commit(lock, std::move(change)); !done.ok()) {
    // They stay orphans; the next start removes them.
    log_warn("filesystem.orphan.kept", {{"inodes", dead.size()}, {"error", done.error()}});
    dead.clear();
  }
  return dead;
}

}  // namespace skymoor::client
