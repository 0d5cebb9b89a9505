#include "fuse/sync/upload/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace skymoor::client {
namespace {

/// As File::read_at: short only at the end.
Result<std::size_t> read_fd(int fd, std::uint64_t offset, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read a copy of a file");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

}  // namespace

std::vector<std::uint64_t> chunk_offsets(const Manifest& manifest) {
  std::vector<std::uint64_t> offsets{0};
  offsets.reserve(manifest.chunks.size() + 1);
  for (const Chunk& chunk : manifest.chunks) offsets.push_back(offsets.back() + chunk.length);
  return offsets;
}

Status ByteSource::read_valid(std::uint64_t offset, std::span<std::uint8_t> out) {
  if (!parts_.memory.empty()) {
    std::memcpy(out.data(), parts_.memory.data() + offset, out.size());
    return {};
  }
  const std::size_t got = parts_.file ? TRY(parts_.file->read_at(offset, out)) : TRY(read_fd(parts_.fd, offset, out));
  std::memset(out.data() + got, 0, out.size() - got);  // past the end of a sparse file
  return {};
}

std::optional<std::size_t> ByteSource::chunk_at(std::uint64_t offset) const {
  if (!parts_.manifest || offset >= parts_.offsets->back()) return std::nullopt;
  const auto after = std::upper_bound(parts_.offsets->begin(), parts_.offsets->end(), offset);
  return static_cast<std::size_t>(after - parts_.offsets->begin()) - 1;
}

Status ByteSource::read_manifest(std::uint64_t offset, std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const auto index = chunk_at(offset);
    std::size_t n = out.size();
    if (!index) {
      const Bytes empty;
      const Bytes& bytes = parts_.manifest ? parts_.manifest->inline_data : empty;
      for (std::size_t i = 0; i < n; ++i) out[i] = offset + i < bytes.size() ? bytes[offset + i] : 0;
      return {};
    }
    const Chunk& chunk = parts_.manifest->chunks[*index];
    const std::uint64_t begin = (*parts_.offsets)[*index];
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, begin + chunk.length - offset));
    if (chunk.is_hole()) {
      std::memset(out.data(), 0, n);
    } else {
      if (cached_chunk_ != index) {
        cached_ = TRY(parts_.read_chunk(chunk));
        cached_chunk_ = index;
      }
      std::memcpy(out.data(), cached_.data() + (offset - begin), n);
    }
    offset += n;
    out = out.subspan(n);
  }
  return {};
}

Status ByteSource::read(std::uint64_t offset, std::span<std::uint8_t> out) {
  const Extent range{offset, offset + out.size()};
  for (const Extent& part : parts_.valid.present(range))
    TRY(read_valid(part.begin, out.subspan(part.begin - offset, part.length())));
  for (const Extent& part : parts_.valid.missing(range))
    TRY(read_manifest(part.begin, out.subspan(part.begin - offset, part.length())));
  return {};
}

std::uint64_t ByteSource::next_data(std::uint64_t offset) {
  while (offset < parts_.size) {
    const auto present = parts_.valid.present({offset, parts_.size});
    const std::uint64_t run_begin = present.empty() ? parts_.size : present.front().begin;
    if (run_begin > offset) {  // not here: the manifest tells
      const auto index = chunk_at(offset);
      if (!index) {
        if (parts_.manifest && offset < parts_.manifest->inline_data.size()) return offset;
        offset = run_begin;
        continue;
      }
      if (!parts_.manifest->chunks[*index].is_hole()) return offset;
      offset = std::min(run_begin, (*parts_.offsets)[*index + 1]);
      continue;
    }
    const std::uint64_t run_end = present.front().end;
    const int fd = parts_.file ? parts_.file->fd() : parts_.fd;
    if (fd < 0) return offset;
    const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno != ENXIO) return offset;
    const std::uint64_t found = data < 0 ? parts_.size : static_cast<std::uint64_t>(data);
    if (found < run_end) return found;
    offset = run_end;
  }
  return parts_.size;
}

Result<UniqueFd> copy_aside(File& file, const std::vector<Extent>& extents) {
  if (file.fd() < 0) return Error(Code::kNotSupported, "no descriptor to copy from");
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(file.fd());
  const ssize_t n = ::readlink(link.c_str(), path, sizeof path - 1);
  if (n <= 0) return Error::from_errno(errno, "find a backing file's directory");
  std::string directory(path, static_cast<std::size_t>(n));
  directory.resize(directory.find_last_of('/'));
  UniqueFd copy(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!copy) return Error::from_errno(errno, "make a copy beside a backing file");
  Bytes buffer;
  for (const Extent& extent : extents) {
    off_t from = static_cast<off_t>(extent.begin), to = from;
    const auto end = static_cast<off_t>(extent.end);
    while (from < end) {
      const ssize_t copied = ::copy_file_range(file.fd(), &from, copy.get(), &to, static_cast<std::size_t>(end - from), 0);
      if (copied > 0) continue;
      if (copied == 0) break;  // past the end: zeros
      if (errno == EINTR) continue;
      if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        return Error::from_errno(errno, "copy a backing file");
      buffer.resize(1u << 20);
      const std::size_t want = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - from));
      const std::size_t got = TRY(file.read_at(static_cast<std::uint64_t>(from), std::span(buffer).first(want)));
      if (got == 0) break;
      for (std::size_t at = 0; at < got;) {
        const ssize_t put = ::pwrite(copy.get(), buffer.data() + at, got - at, to + static_cast<off_t>(at));
        if (put < 0 && errno != EINTR) return Error::from_errno(errno, "copy a backing file");
        if (put > 0) at += static_cast<std::size_t>(put);
      }
      from += static_cast<off_t>(got);
      to += static_cast<off_t>(got);
    }
  }
  return copy;
}

}  // namespace skymoor::client
