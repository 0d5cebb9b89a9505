#include "fuse/app/state/copy_file.h"

#include <unistd.h>

#include <algorithm>

#include "shared/base/bytes.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kPiece = 1u << 20;
}

Status copy_file(int from, int to) {
  const off_t size = ::lseek(from, 0, SEEK_END);
  Bytes piece(kPiece);
  for (off_t at = ::lseek(from, 0, SEEK_DATA); at >= 0 && at < size;) {
    const off_t end = ::lseek(from, at, SEEK_HOLE);
    while (at < end) {
      const ssize_t n = ::pread(from, piece.data(), std::min<std::size_t>(kPiece, static_cast<std::size_t>(end - at)), at);
      if (n <= 0) return Error::from_errno(n < 0 ? errno : EIO, "reading what was fetched");
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
  if (::ftruncate(to, size) != 0) return Error::from_errno(errno, "setting the size");
  return {};
}

}  // namespace skymoor::client
