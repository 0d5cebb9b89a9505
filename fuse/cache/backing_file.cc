#include <fcntl.h>
#include <linux/falloc.h>

#include "fuse/cache/backing_store.h"

namespace skymoor::client {

Status BackingFile::zero(Extent range) {
  if (range.begin >= range.end) return {};
  if (fd() >= 0 && ::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.begin),
                               static_cast<off_t>(range.length())) == 0)
    return {};
  const Bytes zeros(1u << 20);
  for (std::uint64_t at = range.begin; at < range.end; at += zeros.size())
    TRY(file().write_at(at, ByteView(zeros).first(std::min<std::uint64_t>(zeros.size(), range.end - at))));
  return {};
}

}  // namespace skymoor::client
