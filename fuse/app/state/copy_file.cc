#include "fuse/app/state/copy_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "shared/base/bytes.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kPiece = 1u << 20;
}

Result<UniqueFd> nameless_file(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string name = directory + "/nameless-XXXXXX";
  fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "a temporary file in " + directory);
  ::unlink(name.c_str());
  return fd;
}

bool is_unchanged(const struct stat& before, const struct stat& now) {
  auto same = [](const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; };
  return before.st_ino == now.st_ino && before.st_size == now.st_size && same(before.st_mtim, now.st_mtim) &&
         same(before.st_ctim, now.st_ctim);
}

Status copy_file(int from, int to) {
  Bytes piece(kPiece);
  const off_t size = ::lseek(from, 0, SEEK_END);
  if (size < 0) return Error::from_errno(errno, "looking for the end");
  off_t at = ::lseek(from, 0, SEEK_DATA);   // ENXIO: there is none
  while (at >= 0 && at < size) {
    const off_t end = ::lseek(from, at, SEEK_HOLE);
    if (end < 0) return Error::from_errno(errno, "looking for a hole");
    while (at < end) {
      const ssize_t n = ::pread(from, piece.data(), std::min<std::size_t>(kPiece, static_cast<std::size_t>(end - at)), at);
      if (n <= 0) return Error::from_errno(n < 0 ? errno : EIO, "reading");
      for (ssize_t done = 0; done < n;) {
        const ssize_t written = ::pwrite(to, piece.data() + done, static_cast<std::size_t>(n - done), at + done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return Error::from_errno(written < 0 ? errno : EIO, "writing");
        done += written;
      }
      at += n;
    }
    at = ::lseek(from, end, SEEK_DATA);
  }
  if (at < 0 && errno != ENXIO) return Error::from_errno(errno, "looking for data");
  if (::ftruncate(to, size) != 0) return Error::from_errno(errno, "setting the size");
  return {};
}

}  // namespace skymoor::client
