#include "fuse/channel/convert.h"

#include <fcntl.h>

#include "fuse/channel/channel_impl.h"
#include "fuse/channel/session_io.h"

namespace skymoor::client {

Request request_of(fuse_req_t req) {
  const fuse_ctx* ctx = fuse_req_ctx(req);
  Request request;
  request.uid = ctx->uid;
  request.gid = ctx->gid;
  request.pid = ctx->pid;
  request.umask = ctx->umask;
  request.number = request_just_read();
  return request;
}

timespec to_timespec(Timestamp time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.time_since_epoch().count()), static_cast<long>((time - seconds).count())};
}

Timestamp to_timestamp(const timespec& time) {
  // Nanoseconds in 64 bits reach from 1678 to 2262; what lies outside is held at the edge.
  constexpr std::int64_t kMaxSeconds = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  std::int64_t seconds = std::clamp<std::int64_t>(time.tv_sec, -kMaxSeconds, kMaxSeconds);
  return Timestamp{std::chrono::seconds{seconds} + std::chrono::nanoseconds{time.tv_nsec}};
}

struct stat to_stat(const Node& node) {
  const Attributes& a = node.attributes;
  struct stat st = {};
  st.st_ino = node.id.value;
  st.st_mode = format_bits(a.type) | a.mode;
  st.st_nlink = node.links;
  st.st_uid = a.uid;
  st.st_gid = a.gid;
  st.st_rdev = a.rdev;
  st.st_size = static_cast<off_t>(a.size);
  st.st_blksize = 4096;
  st.st_blocks = static_cast<blkcnt_t>((node.allocated_bytes + 511) / 512);
  st.st_atim = to_timespec(a.atime);
  st.st_mtim = to_timespec(a.mtime);
  st.st_ctim = to_timespec(a.ctime);
  return st;
}

fuse_entry_param to_entry(const Node& node) {
  fuse_entry_param entry = {};
  entry.ino = number_of(node).value;
  entry.generation = 1;  // ids are never used again
  entry.attr = to_stat(node);
  entry.attr_timeout = kCacheSeconds;
  entry.entry_timeout = kCacheSeconds;
  return entry;
}

OpenFlags to_open_flags(int flags) {
  OpenFlags out;
  int access = flags & O_ACCMODE;
  out.read = access == O_RDONLY || access == O_RDWR;
  out.write = access == O_WRONLY || access == O_RDWR;
  out.append = flags & O_APPEND;
  out.truncate = flags & O_TRUNC;
  out.exclusive = flags & O_EXCL;
  out.sync = flags & (O_SYNC | O_DSYNC);
  out.direct = flags & O_DIRECT;
  out.no_access_time = flags & O_NOATIME;
  return out;
}

}  // namespace skymoor::client
