// Invalidator: makes the kernel forget what changed elsewhere.
#pragma once
#include <deque>
#include <thread>

#include "fuse/channel/handover.h"
#include "fuse/filesystem/filesystem.h"
#include "shared/base/mutex.h"

struct fuse_session;

namespace skymoor::client {

/// Says, as long as one lives on the calling thread, that its notices may wait in the kernel.
class NoticesMayWait {
 public:
  NoticesMayWait();
  ~NoticesMayWait();
  NoticesMayWait(const NoticesMayWait&) = delete;
  NoticesMayWait& operator=(const NoticesMayWait&) = delete;
  static bool here();
};

/// A queue and the thread that notifies the kernel. A thread of its own, because a notification can wait for a kernel
/// lock that an operation in progress holds. Thread-safe. The queue is bounded: `add` waits when it is full, which slows
/// the feed down (a dropped notice would be a stale read).
class Invalidator {
 public:
  Invalidator();
  ~Invalidator() { stop(); }
  /// `handover`, if any, is told how much of the queue was done.
  void start(fuse_session* session, std::shared_ptr<Handover> handover);
  /// After a takeover, before the first request: what the process before had queued is lost, so the kernel is to doubt all
  /// names, what is open and, if something was queued or the kernel cannot doubt names, everything. Done by the thread; `filesystem` must outlive it.
  void doubt(Filesystem& filesystem);
  void add(const VisibleChanges& changes);
  /// A hint: forgotten when there is much to do.
  void drop_pages(InodeId inode);
  void stop();

 private:
  void run();
  void notify(const VisibleChanges& changes);
  void notify_doubt(Filesystem& filesystem);
  bool notify_tree(Filesystem& filesystem, bool names);

  Mutex mutex_;
  CondVar changed_;
  std::deque<VisibleChanges> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  Filesystem* doubted_ GUARDED_BY(mutex_) = nullptr;
  // Constant after start.
  fuse_session* session_ = nullptr;
  std::shared_ptr<Handover> handover_;
  std::uint64_t missing_before_ = 0;   ///< notices that earlier processes of the mount did not come to
  std::thread thread_;
};

}  // namespace skymoor::client
