// What the channel's files share. Not for other rooms.
#pragma once
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <thread>

#include "fuse/channel/channel.h"
#include "fuse/channel/invalidator.h"
#include "fuse/channel/newer_protocol.h"
#include "fuse/channel/passthrough.h"
#include "fuse/channel/slow_calls.h"

namespace skymoor::client {

/// Kernel caches last until something invalidates them: the feed does for remote changes, the kernel for its own.
inline constexpr double kCacheSeconds = 86400.0;
inline constexpr std::size_t kMaxRequestBytes = 1u << 20;

class FuseChannel final : public Channel {
 public:
  FuseChannel(Filesystem& filesystem, ChannelOptions options);
  ~FuseChannel() override;
  Status mount();

  Status run() override;
  void stop() override;
  void invalidate(const VisibleChanges& changes) override { invalidator_.add(changes); }
  bool passthrough_active() const override { return passthrough_.active(); }

  Filesystem& filesystem() { return filesystem_; }
  SlowCalls& slow_calls() { return slow_calls_; }
  Passthrough& passthrough() { return passthrough_; }
  const ChannelOptions& options() const { return options_; }
  /// Makes the kernel write what it holds of the file, and forget it. Waits for the writes: only on a thread that serves
  /// no requests, and with nothing held.
  void take_pages(InodeId inode) { fuse_lowlevel_notify_inval_inode(session_, inode.value, 0, 0); }
  /// Pages that are of no more use go, some time.
  void drop_pages(InodeId inode) { invalidator_.drop_pages(inode); }
  /// Makes the kernel ask for size and times again. Waits for nothing: may be called while a request is in hand.
  void forget_attributes(InodeId inode) { fuse_lowlevel_notify_inval_inode(session_, inode.value, -1, 0); }

  static FuseChannel& of(fuse_req_t req) { return *static_cast<FuseChannel*>(fuse_req_userdata(req)); }

 private:
  void serve();
  void wake_threads();

  // Constant after mount.
  Filesystem& filesystem_;
  const ChannelOptions options_;
  fuse_session* session_ = nullptr;
  // Own synchronisation.
  Passthrough passthrough_;
  NewerProtocol newer_protocol_;
  SlowCalls slow_calls_;
  Invalidator invalidator_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> serving_{0};
  Mutex threads_mutex_;
  std::vector<std::thread> threads_ GUARDED_BY(threads_mutex_);
  bool mounted_ = false;
};

// The operations, by family; each fills its part of the table.
void add_namespace_operations(fuse_lowlevel_ops& ops);
void add_attribute_operations(fuse_lowlevel_ops& ops);
void add_file_operations(fuse_lowlevel_ops& ops);
void add_directory_operations(fuse_lowlevel_ops& ops);

}  // namespace skymoor::client
