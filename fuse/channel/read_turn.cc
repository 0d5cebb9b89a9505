#include "fuse/channel/read_turn.h"

#include <linux/fuse.h>

#include <cstring>
#include <utility>

#include "fuse/channel/lock_ranks.h"

namespace skymoor::client {
namespace {

thread_local bool my_turn = false;
thread_local std::int64_t my_mark = 0;   // when the quick request came that this thread works on; 0: none

template <typename T>
T peek(const void* request, std::size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char*>(request) + offset, sizeof value);
  return value;
}

}  // namespace

ReadTurn::ReadTurn() : mutex_(kReadTurnRank, "channel.read_turn") {}

ReadTurn::Ticks ReadTurn::now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

void ReadTurn::wait() {
  // Whoever takes the mark of a working holder away has the turn: the holder that comes back, or look_after.
  Ticks mark = std::exchange(my_mark, 0);
  if (mark != 0 && working_since_.compare_exchange_strong(mark, 0, std::memory_order_acq_rel)) return;
  MutexLock lock(mutex_);
  while (taken_ && !stopped_) free_.wait(lock);
  my_turn = taken_ = !stopped_;
}

void ReadTurn::got(const void* request, ssize_t size) {
  if (!my_turn) return;
  if (size > 0 && is_quick(request, static_cast<std::size_t>(size))) {
    my_mark = now();
    working_since_.store(my_mark, std::memory_order_release);
  } else {
    my_turn = false;
    give();
  }
}

void ReadTurn::give() {
  MutexLock lock(mutex_);
  taken_ = false;
  free_.notify_one();
}

void ReadTurn::look_after() {
  Ticks since = working_since_.load(std::memory_order_acquire);
  if (since == 0 || now() - since < std::chrono::nanoseconds(kTooLong).count()) return;
  if (working_since_.compare_exchange_strong(since, 0, std::memory_order_acq_rel)) give();
}

void ReadTurn::stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  free_.notify_all();
}

bool ReadTurn::is_quick(const void* request, std::size_t size) {
  constexpr std::size_t kHeader = sizeof(fuse_in_header);
  if (size < kHeader) return false;
  switch (peek<fuse_in_header>(request, 0).opcode) {
    case FUSE_LOOKUP:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_GETATTR:
    case FUSE_READLINK:
    case FUSE_SYMLINK:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_RENAME:
    case FUSE_RENAME2:
    case FUSE_LINK:
    case FUSE_STATFS:
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
    case FUSE_SETXATTR:
    case FUSE_REMOVEXATTR:
    case FUSE_OPENDIR:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_RELEASEDIR:
    case FUSE_INTERRUPT: return true;
    case FUSE_SETATTR:
      return size >= kHeader + sizeof(fuse_setattr_in) &&
             (peek<fuse_setattr_in>(request, kHeader).valid & FATTR_SIZE) == 0;
    default: return false;
  }
}

}  // namespace skymoor::client
