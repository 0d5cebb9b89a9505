#include "fuse/channel/session_io.h"

#include <linux/fuse.h>
#include <sys/mman.h>

#include <cstring>

namespace skymoor::client {
namespace {
thread_local std::uint64_t just_read = 0;
thread_local void* resident = nullptr;
}

std::uint64_t request_just_read() { return just_read; }

void keep_resident(void* buffer, std::size_t size) {
  if (resident == buffer) return;
  resident = buffer;
  // Where so much may not be locked, the pages are there as long as memory is not short.
  if (::mlock(buffer, size) != 0) std::memset(buffer, 0, size);
}

void note_request(const void* request, ssize_t size) {
  fuse_in_header header;
  if (size < static_cast<ssize_t>(sizeof header)) return;
  std::memcpy(&header, request, sizeof header);
  just_read = header.unique;
}

}  // namespace skymoor::client
