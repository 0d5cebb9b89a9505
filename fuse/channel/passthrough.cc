#include "fuse/channel/passthrough.h"

#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <unordered_set>

#include "fuse/channel/lock_ranks.h"
#include "shared/base/log.h"

namespace skymoor::client {
namespace {

// From 7.40 of the protocol; Debian 12's headers are older. Source: include/uapi/linux/fuse.h.
constexpr std::uint32_t kInitExt = 1u << 30;
constexpr std::uint32_t kParallelDirops = 1u << 18;
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

void Passthrough::start(int session_fd, bool wanted, std::shared_ptr<Handover> handover) {
  session_fd_ = session_fd;
  wanted_ = wanted;
  handover_ = std::move(handover);
}

void Passthrough::restore(const std::vector<OpenFile>& open, bool active) {
  active_ = active;
  init_unique_ = UINT64_MAX;   // none will come
  init_answered_ = true;
  if (!active) return;
  {
    MutexLock lock(mutex_);
    for (const OpenFile& file : open) {
      if (!file.file.passthrough) continue;
      // The kernel keeps the file itself; what we opened was only to name it.
      Registered& entry = registered_[file.file.inode];
      entry.id = std::max(entry.id, file.backing_id);
      ++entry.opens;
      handles_.emplace(static_cast<std::uint64_t>(file.file.handle), file.file.inode);
    }
  }
  close_lost(open);
}

/// Ids that the process before got in its last moment, or was about to close: they would hold their files open for ever.
void Passthrough::close_lost(const std::vector<OpenFile>& open) {
  constexpr std::int32_t kBack = 256, kAhead = 64;   // the kernel counts upwards
  std::unordered_set<std::int32_t> known;
  for (const OpenFile& file : open) known.insert(file.backing_id);
  const std::int32_t last = handover_->last_backing_id();
  for (std::int32_t id = std::max(1, last - kBack); id <= last + kAhead; ++id) {
    auto number = static_cast<std::uint32_t>(id);
    if (known.count(id) == 0 && ::ioctl(session_fd_, kBackingClose, &number) == 0)
      log_info("channel.passthrough_lost_id_closed", {{"id", id}});
  }
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
      offered_flags_ = fields[3];
      offered_ = (fields[3] & kInitExt) && (fields[4] & kPassthroughFlag2);
      init_request_.assign(static_cast<std::uint8_t*>(buffer), static_cast<std::uint8_t*>(buffer) + n);
      init_unique_ = header.unique;
    }
  }
  return n;
}

ssize_t Passthrough::writev(int fd, iovec* iov, int count) {
  if (init_answered_.load(std::memory_order_relaxed)) [[likely]] return ::writev(fd, iov, count);
  const auto* header = static_cast<const fuse_out_header*>(iov[0].iov_base);
  if (iov[0].iov_len < sizeof *header || header->unique != init_unique_) return ::writev(fd, iov, count);
  const bool completed = complete_init_answer(iov, count);
  // All of it before the kernel has the answer: the first requests are served by other threads at once.
  active_ = completed;
  if (handover_ && header->error == 0) handover_->keep_init(std::exchange(init_request_, {}), completed);
  init_answered_ = true;
  const ssize_t n = ::writev(fd, iov, count);
  if (n < 0) active_ = false;
  return n;
}

/// True: passthrough was agreed on.
bool Passthrough::complete_init_answer(iovec* iov, int count) {
  if (count < 2 || iov[0].iov_len < sizeof(fuse_out_header) || iov[1].iov_len < sizeof(InitAnswer)) return false;
  const auto* header = static_cast<const fuse_out_header*>(iov[0].iov_base);
  if (header->error != 0) return false;
  auto* answer = static_cast<InitAnswer*>(iov[1].iov_base);
  // libfuse 3.14 knows this one and leaves it out: a lookup that waits would hold up all others of its directory.
  answer->flags |= offered_flags_ & kParallelDirops;
  if (!wanted_ || !offered_) return false;
  answer->flags |= kInitExt;
  answer->flags2 |= kPassthroughFlag2;
  answer->max_stack_depth = 1;
  return true;
}

PassthroughUse Passthrough::use() const {
  PassthroughUse use;
  use.active = active();
  MutexLock lock(mutex_);
  for (const auto& [inode, entry] : registered_) use.files += entry.id != 0;
  use.refused = refused_;
  if (last_refusal_) use.last_refusal = last_refusal_->to_string();
  return use;
}

void Passthrough::register_first(const MutexLock&, Registered& entry, const std::shared_ptr<BackingFile>& file) {
  BackingMap map{file->fd(), 0, 0};
  const int id = ::ioctl(session_fd_, kBackingOpen, &map);
  if (id <= 0) {
    last_refusal_ = Error::from_errno(errno, "register a passthrough file");
    log_warn("channel.passthrough_refused", {{"inode", file->inode().value}, {"why", *last_refusal_}});
    return;
  }
  entry.id = id;
  if (handover_) handover_->note_backing_id(id);
  entry.file = file;
}

Result<std::int32_t> Passthrough::acquire(HandleId handle, InodeId inode,
                                          const std::shared_ptr<BackingFile>& file) {
  if (!active()) return Error(Code::kNotSupported, "passthrough is not active");
  MutexLock lock(mutex_);
  Registered& entry = registered_[inode];
  if (entry.opens == 0) register_first(lock, entry, file);
  ++entry.opens;
  handles_.emplace(static_cast<std::uint64_t>(handle), inode);
  if (entry.id != 0) return entry.id;
  ++refused_;
  return last_refusal_ ? *last_refusal_ : Error(Code::kNotSupported, "the kernel refused it to the process before");
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
  if (id == 0) return;
  // ENOENT: the process before closed it, and did not come to note that.
  if (::ioctl(session_fd_, kBackingClose, &id) != 0 && errno != ENOENT)
    log_warn("channel.passthrough_close_failed", {{"inode", inode.value}, {"errno", errno}});
}

}  // namespace skymoor::client
