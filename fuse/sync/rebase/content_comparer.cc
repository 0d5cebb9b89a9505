#include "fuse/sync/rebase/content_comparer.h"

#include "shared/block/seal.h"

namespace skymoor::client {
namespace {
constexpr std::uint64_t kMaxHole = 1ull << 30;  // longer runs of zeros are not read through: they count as different
}

Result<std::optional<Manifest>> ContentComparer::manifest_of(InodeId inode, OpId content,
                                                             MetadataStore::Confirmed& confirmed,
                                                             const CallOptions& options) {
  const ContentRow row = TRY(confirmed.content(inode));
  if (row.manifest_content == content && !row.manifest.empty())
    return std::optional<Manifest>(TRY(decode_manifest(row.manifest)));
  if (content == OpId{}) return std::optional<Manifest>(Manifest{});
  const InodePage page = TRY(remote_.inodes({inode}, options));
  if (page.inodes.empty() || page.inodes.front().content != content) return std::optional<Manifest>();
  const Bytes plain = TRY(cipher_.open_manifest(inode, content, page.inodes.front().sealed_manifest));
  return std::optional<Manifest>(TRY(decode_manifest(plain)));
}

Result<bool> ContentComparer::same(InodeId mine, InodeId theirs, OpId their_content, MetadataStore::Confirmed& confirmed,
                                   const CallOptions& options) {
  const auto their_node = TRY(confirmed.inode(theirs));
  std::uint64_t size = 0;
  OpId content;
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, mine);
    if (!row.ok()) return false;
    size = row->attributes.size;
    content = row->content;
    if (their_node && their_node->attributes.size != size) return false;
    const ContentRow here = TRY(store_.content(lock, mine));
    if (!here.valid.contains({0, size})) return false;
  }
  const auto manifest = TRY(manifest_of(theirs, their_content, confirmed, options));
  if (!manifest || manifest->size != size) return false;
  if (size == 0) return true;
  auto file = backing_.open_file(mine, false);
  if (!file.ok()) return false;
  const std::uint64_t generation = (*file)->generation();
  if (!TRY(holds(**file, *manifest, options.stop))) return false;
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, mine);
  return row.ok() && row->content == content && (*file)->generation() == generation;
}

Result<bool> ContentComparer::holds(BackingFile& file, const Manifest& manifest, const std::stop_token& stop) {
  Bytes bytes;
  auto read = [&](std::uint64_t offset, std::uint64_t length) -> Status {
    bytes.assign(static_cast<std::size_t>(length), 0);
    TRY(file.file().read_at(offset, bytes));  // short at the end of a sparse file: zeros
    return {};
  };
  if (manifest.chunks.empty()) {
    TRY(read(0, manifest.size));
    return bytes == manifest.inline_data;
  }
  std::uint64_t offset = 0;
  for (const Chunk& chunk : manifest.chunks) {
    if (stop.stop_requested()) return Error(Code::kCancelled, "stopped");
    if (chunk.is_hole()) {
      if (chunk.length > kMaxHole) return false;
      for (std::uint64_t at = 0; at < chunk.length; at += 1u << 20) {
        TRY(read(offset + at, std::min<std::uint64_t>(1u << 20, chunk.length - at)));
        if (std::any_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b != 0; })) return false;
      }
    } else {
      TRY(read(offset, chunk.length));
      if (TRY(block::seal_block(block_key_, bytes)).id != chunk.block) return false;
    }
    offset += chunk.length;
  }
  return true;
}

}  // namespace skymoor::client
