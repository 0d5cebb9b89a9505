#include "fuse/channel/session_io.h"

#include <linux/fuse.h>

#include <cstring>

namespace skymoor::client {
namespace {
thread_local std::uint64_t just_read = 0;
}

std::uint64_t request_just_read() { return just_read; }

void note_request(const void* request, ssize_t size) {
  fuse_in_header header;
  if (size < static_cast<ssize_t>(sizeof header)) return;
  std::memcpy(&header, request, sizeof header);
  just_read = header.unique;
}

}  // namespace skymoor::client
