#include "fuse/sync/upload/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace skymoor::client {

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
  const std::size_t got = TRY(parts_.file->read_at(offset, out));
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
    if (!parts_.file || parts_.file->fd() < 0) return offset;
    const off_t data = ::lseek(parts_.file->fd(), static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno != ENXIO) return offset;
    const std::uint64_t found = data < 0 ? parts_.size : static_cast<std::uint64_t>(data);
    if (found < run_end) return found;
    offset = run_end;
  }
  return parts_.size;
}

}  // namespace skymoor::client
