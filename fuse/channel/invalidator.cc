#include "fuse/channel/invalidator.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <unordered_set>

#include "fuse/channel/lock_ranks.h"
#include "shared/base/executor.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxQueued = 4096;
}

Invalidator::Invalidator() : mutex_(kInvalidatorRank, "invalidator") {}

void Invalidator::start(fuse_session* session) {
  session_ = session;
  thread_ = std::thread([this] {
    set_thread_name("invalidate");
    run();
  });
}

void Invalidator::add(const VisibleChanges& changes) {
  if (changes.names.empty() && changes.attributes.empty() && changes.contents.empty()) return;
  MutexLock lock(mutex_);
  // A feed that runs ahead of the kernel is slowed down here rather than forgotten: a dropped notice would be a stale
  // read for a day.
  while (queue_.size() >= kMaxQueued && !stopping_) changed_.wait(lock);
  if (stopping_) return;
  queue_.push_back(changes);
  changed_.notify_all();
}

void Invalidator::drop_pages(InodeId inode) {
  MutexLock lock(mutex_);
  if (stopping_ || queue_.size() >= kMaxQueued / 2) return;
  queue_.emplace_back().contents.push_back(inode);
  changed_.notify_all();
}

void Invalidator::run() {
  MutexLock lock(mutex_);
  for (;;) {
    while (queue_.empty() && !stopping_) changed_.wait(lock);
    if (stopping_) return;
    VisibleChanges changes = std::move(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
    lock.unlock();
    notify(changes);
    lock.lock();
  }
}

void Invalidator::notify(const VisibleChanges& changes) {
  // ENOENT only says that the kernel did not know the object.
  auto report = [](int rc, const char* what) {
    if (rc != 0 && rc != -ENOENT) log_debug("channel.invalidate_failed", {{"what", what}, {"errno", -rc}});
  };
  for (const auto& name : changes.names)
    report(fuse_lowlevel_notify_inval_entry(session_, name.directory.value, name.name.data(), name.name.size()), "name");
  // The kernel forgets a directory's listing with an entry only where it knows the entry.
  std::unordered_set<InodeId> directories;
  for (const auto& name : changes.names) directories.insert(name.directory);
  for (InodeId inode : directories) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0), "listing");
  for (InodeId inode : changes.attributes) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, -1, 0), "attr");
  for (InodeId inode : changes.contents) report(fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0), "data");
}

void Invalidator::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace skymoor::client
