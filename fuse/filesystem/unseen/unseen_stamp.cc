#include "fuse/filesystem/unseen/unseen_stamp.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace skymoor::client {

Result<UnseenStamp> look_at(BackingFile& file) {
  struct stat st;
  if (::fstat(file.fd(), &st) != 0) return Error::from_errno(errno, "stat backing file");
  auto mtime = std::chrono::seconds(st.st_mtim.tv_sec) + std::chrono::nanoseconds(st.st_mtim.tv_nsec);
  return UnseenStamp{Timestamp(mtime), static_cast<std::uint64_t>(st.st_size)};
}

Result<std::uint64_t> stamp_unseen(BackingFile& file, UnseenStamp& stamp, Timestamp mtime) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(mtime);
  timespec times[2] = {{0, UTIME_OMIT},
                       {static_cast<time_t>(seconds.time_since_epoch().count()), (mtime - seconds).count()}};
  if (::futimens(file.fd(), times) != 0) return Error::from_errno(errno, "set time of backing file");
  // Read back: a filesystem may keep coarser times than we gave it.
  stamp = TRY(look_at(file));
  return stamp.size;
}

Status protect_pages(BackingFile& file) {
  if (::sync_file_range(file.fd(), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) == 0) return {};
  return Error::from_errno(errno, "write the backing file's pages");
}

}  // namespace skymoor::client
