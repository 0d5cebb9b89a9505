// What the channel's files share. Not for other rooms.
#pragma once
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <thread>
#include <unordered_map>

#include "fuse/channel/channel.h"
#include "fuse/channel/invalidator.h"
#include "fuse/channel/kept_bytes.h"
#include "fuse/channel/newer_protocol.h"
#include "fuse/channel/passthrough.h"
#include "fuse/channel/readers.h"
#include "fuse/channel/session_io.h"
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
  PassthroughUse passthrough_use() const override { return passthrough_.use(); }
  int session_fd() const override { return fuse_session_fd(session_); }
  void hand_over() override {
    handing_over_ = true;
    stop();
  }

  Filesystem& filesystem() { return filesystem_; }
  SlowCalls& slow_calls() { return slow_calls_; }
  KeptBytes& kept_bytes() { return kept_bytes_; }
  Passthrough& passthrough() { return passthrough_; }
  const ChannelOptions& options() const { return options_; }
  /// Makes the kernel write what it holds of the file, and forget it. Waits for the writes: only on a thread that serves
  /// no requests, and with nothing held. Errors: Cancelled (the process is to end; the pages may be as they were).
  Status take_pages(InodeId inode);
  /// What waits now is left to the next process.
  bool handing_over() const { return handing_over_; }
  /// Pages that are of no more use go, some time.
  void drop_pages(InodeId inode) { invalidator_.drop_pages(inode); }
  /// Makes the kernel ask for size and times again. Waits for nothing: may be called while a request is in hand.
  void forget_attributes(InodeId inode) { fuse_lowlevel_notify_inval_inode(session_, inode.value, -1, 0); }

  /// The record that a request of the process before made; nothing: it is new, or had not come that far.
  std::optional<Lsn> done_before(const Request& request) const;
  /// The id that a create of the process before gave.
  InodeId made_by(Lsn lsn) const { return make_inode_id(options_.take_over->writer, lsn.value); }
  /// An open that comes again was never answered: the handle of its first time is nobody's.
  void drop_unanswered_open(const Request& request);
  void end_handle(HandleId handle);

  static FuseChannel& of(fuse_req_t req) { return *static_cast<FuseChannel*>(fuse_req_userdata(req)); }

 private:
  Status mount_session();
  ssize_t write_answer(int fd, iovec* iov, int count);
  ssize_t write_waiting_notice(int fd, iovec* iov, int count);
  Status take_session_over();
  Status replay_init(const Bytes& request);
  void ask_again();
  void unmount_taken_over();
  void serve(Readers::Reader& reader);

  // Constant after mount.
  Filesystem& filesystem_;
  const ChannelOptions options_;
  fuse_session* session_ = nullptr;
  // Own synchronisation.
  Passthrough passthrough_;
  NewerProtocol newer_protocol_;
  KeptBytes kept_bytes_;
  SlowCalls slow_calls_;
  Invalidator invalidator_;
  Mutex unanswered_mutex_;
  std::unordered_map<std::uint64_t, HandleId> unanswered_ GUARDED_BY(unanswered_mutex_);   // by request
  std::atomic<bool> stopping_{false}, handing_over_{false};
  std::atomic<int> waiting_notices_{0};   // told by a thread of this process, which waits until the kernel has taken them
  Readers readers_;
  // The mounting thread's.
  bool mounted_ = false, replaying_init_ = false;
};

// The operations, by family; each fills its part of the table.
void add_namespace_operations(fuse_lowlevel_ops& ops);
void add_attribute_operations(fuse_lowlevel_ops& ops);
void add_file_operations(fuse_lowlevel_ops& ops);
void add_directory_operations(fuse_lowlevel_ops& ops);

}  // namespace skymoor::client
