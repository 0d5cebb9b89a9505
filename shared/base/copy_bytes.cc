#include "shared/base/copy_bytes.h"

#include <unistd.h>

#include <algorithm>

namespace skymoor {
namespace {

constexpr std::uint64_t kBuffer = 256 * 1024;

Result<std::uint64_t> copy_through_memory(File& from, std::uint64_t from_offset, File& to, std::uint64_t to_offset,
                                          std::uint64_t length) {
  Bytes buffer(static_cast<std::size_t>(std::min(length, kBuffer)));
  std::uint64_t done = 0;
  while (done < length) {
    const auto wanted = static_cast<std::size_t>(std::min(kBuffer, length - done));
    const std::size_t step = TRY(from.read_at(from_offset + done, std::span(buffer).first(wanted)));
    if (step == 0) break;
    TRY(to.write_at(to_offset + done, ByteView(buffer).first(step)));
    done += step;
  }
  return done;
}

}  // namespace

Result<std::uint64_t> copy_bytes(File& from, std::uint64_t from_offset, File& to, std::uint64_t to_offset, std::uint64_t length) {
  if (from.fd() < 0 || to.fd() < 0) return copy_through_memory(from, from_offset, to, to_offset, length);
  std::uint64_t done = 0;
  while (done < length) {
    auto in = static_cast<off_t>(from_offset + done), out = static_cast<off_t>(to_offset + done);
    const ssize_t step = ::copy_file_range(from.fd(), &in, to.fd(), &out, static_cast<std::size_t>(length - done), 0);
    if (step < 0 && errno == EINTR) continue;
    if (step < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
      return done + TRY(copy_through_memory(from, from_offset + done, to, to_offset + done, length - done));
    if (step < 0) return Error::from_errno(errno, "copy_file_range");
    if (step == 0) break;
    done += static_cast<std::uint64_t>(step);
  }
  return done;
}

}  // namespace skymoor
