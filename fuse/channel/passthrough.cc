#include "fuse/channel/passthrough.h"

#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/channel/lock_ranks.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

// From 7.40 of the protocol; Debian 12's headers are older. Source: include/uapi/linux/fuse.h.
constexpr std::uint32_t kInitExt = 1u << 30;
constexpr std::uint32_t kPassthroughFlag2 = 1u << 5;  // bit 37 of the 64
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, std::uint32_t);

struct InitAnswer {
  std::uint32_t major, minor, max_readahead, flags;
  std::uint16_t max_background, congestion_threshold;
  std::uint32_t max_write, time_gran;
  std::uint16_t max_pages, map_alignment;
  std::uint32_t flags2, max_stack_depth;
  std::uint32_t unused[6];
};
static_assert(sizeof(InitAnswer) == 64);

}  // namespace

Passthrough::Passthrough() : mutex_(kPassthroughRank, "passthrough") {}

void Passthrough::start(int session_fd, bool wanted) {
  session_fd_ = session_fd;
  wanted_ = wanted;
}

ssize_t Passthrough::read(int fd, void* buffer, std::size_t size) {
  ssize_t n = ::read(fd, buffer, size);
  if (n >= static_cast<ssize_t>(sizeof(fuse_in_header)) && !init_unique_.load(std::memory_order_relaxed)) {
    fuse_in_header header;
    std::memcpy(&header, buffer, sizeof header);
    if (header.opcode == FUSE_INIT) {
      // The request's flags2 lies behind major, minor, max_readahead and flags.
      std::uint32_t fields[5] = {};
      std::memcpy(fields, static_cast<char*>(buffer) + sizeof header,
                  std::min<std::size_t>(sizeof fields, static_cast<std::size_t>(n) - sizeof header));
      offered_ = (fields[3] & kInitExt) && (fields[4] & kPassthroughFlag2);
      init_unique_ = header.unique;
    }
  }
  return n;
}

ssize_t Passthrough::writev(int fd, iovec* iov, int count) {
  if (!active_.load(std::memory_order_relaxed) && wanted_) [[unlikely]] {
    if (complete_init_answer(iov, count)) {
      active_ = true;  // before the answer is out: another thread may serve the first open before this one runs again
      ssize_t n = ::writev(fd, iov, count);
      if (n < 0) active_ = false;
      return n;
    }
  }
  return ::writev(fd, iov, count);
}

bool Passthrough::complete_init_answer(iovec* iov, int count) {
  if (count < 2 || iov[0].iov_len < sizeof(fuse_out_header) || iov[1].iov_len < sizeof(InitAnswer)) return false;
  auto* header = static_cast<fuse_out_header*>(iov[0].iov_base);
  if (header->unique != init_unique_ || header->error != 0 || !offered_) return false;
  auto* answer = static_cast<InitAnswer*>(iov[1].iov_base);
  answer->flags |= kInitExt;
  answer->flags2 |= kPassthroughFlag2;
  answer->max_stack_depth = 1;
  return true;
}

Result<std::int32_t> Passthrough::acquire(HandleId handle, const std::shared_ptr<BackingFile>& file) {
  if (!active()) return Error(Code::kNotSupported, "passthrough is not active");
  InodeId inode = file->inode();
  MutexLock lock(mutex_);
  Registered& entry = registered_[inode];
  if (entry.opens == 0) {
    BackingMap map{file->fd(), 0, 0};
    int id = ::ioctl(session_fd_, kBackingOpen, &map);
    if (id <= 0) {
      int err = errno;
      registered_.erase(inode);
      return Error::from_errno(err, "register a passthrough file");
    }
    entry.id = id;
    entry.file = file;
  }
  ++entry.opens;
  handles_.emplace(static_cast<std::uint64_t>(handle), inode);
  return entry.id;
}

void Passthrough::release(HandleId handle) {
  MutexLock lock(mutex_);
  auto use = handles_.find(static_cast<std::uint64_t>(handle));
  if (use == handles_.end()) return;
  auto it = registered_.find(use->second);
  handles_.erase(use);
  if (--it->second.opens > 0) return;
  auto id = static_cast<std::uint32_t>(it->second.id);
  InodeId inode = it->first;
  registered_.erase(it);
  if (::ioctl(session_fd_, kBackingClose, &id) != 0)
    log_warn("channel.passthrough_close_failed", {{"inode", inode.value}, {"errno", errno}});
}

}  // namespace skymoor::client
