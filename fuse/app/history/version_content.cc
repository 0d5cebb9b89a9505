// The bytes of a version, from its manifest and the blocks that it names.
#include <unistd.h>

#include "fuse/app/history/volume_history.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kBatchBytes = 32u << 20;   ///< of plaintext asked for at once

Status write_at(int fd, std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error::from_errno(n < 0 ? errno : EIO, "writing the restored bytes");
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Status VolumeHistory::write_content(InodeId inode, const VersionRecord& version, int fd) {
  const Bytes sealed = TRY(remote_->manifest(inode, version.sequence, {}));
  const Bytes opened = TRY(cipher_->open_manifest(inode, version.content, sealed));
  const Manifest manifest = TRY(decode_manifest(opened));
  if (manifest.size != version.size) return Error(Code::kCorrupt, "a version's size is not that of its manifest");
  if (::ftruncate(fd, static_cast<off_t>(manifest.size)) != 0) return Error::from_errno(errno, "making room");
  if (manifest.chunks.empty()) return write_at(fd, 0, manifest.inline_data);

  CallOptions options;
  options.timeout = std::chrono::minutes(5);   // a pack of 8 MiB, also over a slow line
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < manifest.chunks.size();) {
    std::vector<Chunk> chunks;
    std::vector<std::uint64_t> offsets;
    std::uint64_t bytes = 0;
    for (; i < manifest.chunks.size() && bytes < kBatchBytes; ++i) {
      const Chunk& chunk = manifest.chunks[i];
      if (!chunk.is_hole()) {
        chunks.push_back(chunk);
        offsets.push_back(offset);
        bytes += chunk.length;
      }
      offset += chunk.length;
    }
    auto write = [&](std::size_t index, BlockReader::Pieces plain) -> Status {
      std::uint64_t at = offsets[index];
      for (ByteView piece : plain) {
        TRY(write_at(fd, at, piece));
        at += piece.size();
      }
      return {};
    };
    TRY(blocks_->read(chunks, options, write));
  }
  return {};
}

}  // namespace skymoor::client
