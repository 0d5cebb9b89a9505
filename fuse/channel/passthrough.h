// Passthrough: the kernel reads and writes the backing file itself, after we have named it.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "fuse/channel/channel.h"
#include "fuse/filesystem/filesystem.h"
#include "shared/base/mutex.h"

struct iovec;

namespace skymoor::client {

/// Negotiates FUSE_PASSTHROUGH and keeps the kernel's backing ids. libfuse 3.14 has no call for it: its INIT answer is
/// completed on the way out, and files are registered by ioctl on the session's descriptor. One backing id per inode, by
/// the number that the kernel knows, serves all its opens, as the kernel wants it. Thread-safe.
/// Source: include/uapi/linux/fuse.h (7.40), fs/fuse/passthrough.c, fs/fuse/backing.c.
class Passthrough {
 public:
  Passthrough();
  /// Call after fuse_session_mount and before the first request is read.
  void start(int session_fd, bool wanted, std::shared_ptr<Handover> handover);
  /// Goes on with what another process negotiated and registered, in place of an INIT.
  void restore(const std::vector<OpenFile>& open, bool active);
  /// The kernel offered passthrough and was told yes.
  bool active() const { return active_.load(std::memory_order_acquire); }

  PassthroughUse use() const;

  /// The backing id for a file, registered at its first open. Where that was refused, all opens of the inode are until the
  /// last one is released: the kernel does not mix. Errors: NotSupported (not active), Io.
  Result<std::int32_t> acquire(HandleId handle, InodeId inode, const std::shared_ptr<BackingFile>& file);
  /// Ends a handle's use, if it has any; the inode's last one closes the id.
  void release(HandleId handle);

  /// The session's own I/O goes through these two: that is where INIT is seen and answered.
  ssize_t read(int fd, void* buffer, std::size_t size);
  ssize_t writev(int fd, iovec* iov, int count);

 private:
  bool complete_init_answer(iovec* iov, int count);
  void close_lost(const std::vector<OpenFile>& open);

  struct Registered {
    std::int32_t id = 0;                 // 0: refused
    int opens = 0;
    std::shared_ptr<BackingFile> file;
  };
  void register_first(const MutexLock&, Registered& entry, const std::shared_ptr<BackingFile>& file) REQUIRES(mutex_);
  // Constant after start.
  int session_fd_ = -1;
  bool wanted_ = false;
  std::shared_ptr<Handover> handover_;
  // Of the thread that negotiates.
  Bytes init_request_;
  std::uint32_t offered_flags_ = 0;
  // Own synchronisation.
  std::atomic<std::uint64_t> init_unique_{0};
  std::atomic<bool> offered_{false}, active_{false}, init_answered_{false};
  mutable Mutex mutex_;
  std::uint64_t refused_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> last_refusal_ GUARDED_BY(mutex_);
  std::unordered_map<InodeId, Registered> registered_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, InodeId> handles_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::client
