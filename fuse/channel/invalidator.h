// Invalidator: makes the kernel forget what changed elsewhere.
#pragma once
#include <deque>
#include <thread>

#include "fuse/journal/metadata_store.h"
#include "shared/base/mutex.h"

struct fuse_session;

namespace skymoor::client {

/// A queue and the thread that notifies the kernel. A thread of its own, because a notification can wait for a kernel
/// lock that an operation in progress holds. Thread-safe. The queue is bounded: `add` waits when it is full, which slows
/// the feed down (a dropped notice would be a stale read).
class Invalidator {
 public:
  Invalidator();
  ~Invalidator() { stop(); }
  void start(fuse_session* session);
  void add(const VisibleChanges& changes);
  /// A hint: forgotten when there is much to do.
  void drop_pages(InodeId inode);
  void stop();

 private:
  void run();
  void notify(const VisibleChanges& changes);

  Mutex mutex_;
  CondVar changed_;
  std::deque<VisibleChanges> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  fuse_session* session_ = nullptr;
  std::thread thread_;
};

}  // namespace skymoor::client
