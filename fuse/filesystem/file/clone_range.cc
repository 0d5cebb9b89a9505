// Copying what is not here: the copy names the blocks that the server has, and no byte moves.
#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {
namespace {

/// The list of blocks goes into one record of the log.
constexpr std::size_t kMaxClonedManifest = kMaxRecordBytes / 2;

/// The chunks of `source` from `offset` on, as far as they lie within `length`, at the end of `target`. How many bytes: 0 if the
/// range begins within a block, or ends within its first one.
std::uint64_t append_chunks(const Manifest& source, std::uint64_t offset, std::uint64_t length, Manifest& target) {
  std::uint64_t at = 0, taken = 0;
  for (const Chunk& chunk : source.chunks) {
    const std::uint64_t begin = std::exchange(at, at + chunk.length);
    if (at <= offset || length == taken) continue;
    Chunk piece = chunk;
    if (chunk.is_hole()) piece.length = std::min(at - std::max(begin, offset), length - taken);
    else if (begin < offset || chunk.length > length - taken) break;
    target.chunks.push_back(piece);
    taken += piece.length;
  }
  target.size += taken;
  return taken;
}

}  // namespace

/// Of a source that the server has as it is: which of its contents that is, and the manifest that tells its blocks. Nothing: it is
/// here, or differs from the server's. Errors: NotPresent (listings leave out the manifests of larger files).
Result<std::optional<Engine::Listed>> Engine::clonable(const MutexLock& lock, Request& request, OpenInode& from, Extent extent) {
  const InodeRow row = TRY(row_of(lock, request, from.id));
  extent.end = std::min(extent.end, row.attributes.size);
  if (extent.begin >= extent.end) return std::optional<Listed>();
  TRY(load_view(lock, from, row));
  if (from.view.valid(extent)) return std::optional<Listed>();
  ContentRow content = TRY(store_.content(lock, from.id));
  if (content.valid.contains(extent) || !content.dirty.empty()) return std::optional<Listed>();
  const bool current = content.manifest_content == row.content;
  if (content.manifest.empty() && (current || content.manifest_content == OpId{}) && row.content != OpId{}) {
    if (content.valid.intersects({extent.begin, extent.begin + 1})) return std::optional<Listed>();   // some of it can be copied
    return lacks(request, Need::Kind::kInode, from.id);
  }
  if (!current || content.manifest.empty()) return std::optional<Listed>();
  return std::optional(Listed{row.content, std::move(content.manifest)});
}

/// What the copy is to grow by: its content, and what it consists of (no manifest: it is empty). Nothing unless a manifest says all of
/// it, and it ends where the range is to go. What the kernel reads or writes by itself must be in the backing file.
Result<std::optional<Engine::Listed>> Engine::clone_target(const MutexLock& lock, Request& request, OpenInode& to, std::uint64_t offset) {
  const InodeRow row = TRY(row_of(lock, request, to.id));
  if (row.attributes.size != offset || to.mode == IoMode::kPassthrough || to.watched.load(std::memory_order_acquire))
    return std::optional<Listed>();
  if (offset == 0) return std::optional(Listed{row.content, {}});
  ContentRow content = TRY(store_.content(lock, to.id));
  if (!content.dirty.empty() || content.manifest.empty() || content.manifest_content != row.content) return std::optional<Listed>();
  return std::optional(Listed{row.content, std::move(content.manifest)});
}

/// How many bytes were cloned: 0 when they have to be copied. Less than `length` where that ends within a block.
Result<std::size_t> Engine::clone_range(Request& request, const std::shared_ptr<OpenInode>& from, std::uint64_t from_offset,
                                        const std::shared_ptr<OpenInode>& to, std::uint64_t to_offset, std::size_t length) {
  if (from == to) return std::size_t{0};
  const Extent wanted{from_offset, from_offset + length};
  std::optional<Listed> source, target;
  {
    MutexLock lock(store_.mutex());
    target = TRY(clone_target(lock, request, *to, to_offset));
    if (target) source = TRY(clonable(lock, request, *from, wanted));
  }
  if (!source) return std::size_t{0};
  const Manifest blocks = TRY(decode_manifest(source->manifest));
  Manifest grown;
  if (!target->manifest.empty()) grown = TRY(decode_manifest(target->manifest));
  if (blocks.chunks.empty() || grown.size != to_offset || !grown.inline_data.empty()) return std::size_t{0};
  const std::uint64_t cloned = append_chunks(blocks, from_offset, length, grown);
  if (cloned == 0 || grown.size <= kMaxInlineBytes) return std::size_t{0};
  Bytes manifest = encode_manifest(grown);
  if (manifest.size() > kMaxClonedManifest) return std::size_t{0};

  ContentChange change(*this, to);
  TRY(change.begin(request));
  change.takes_privileges(request, request.uid == 0);
  MutexLock lock(store_.mutex());
  // Neither has changed meanwhile.
  const auto source_now = TRY(clonable(lock, request, *from, wanted)), target_now = TRY(clone_target(lock, request, *to, to_offset));
  if (!source_now || !target_now || source_now->content != source->content || target_now->content != target->content) return std::size_t{0};
  InodeRow row = TRY(row_of(lock, request, to->id));
  TRY(change.record_clone(lock, row, std::move(manifest), grown.size));
  return static_cast<std::size_t>(cloned);
}

}  // namespace skymoor::client
