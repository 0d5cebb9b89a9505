#include "fuse/sync/restore/lost_contents.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kBlocksAtOnce = 5000;
}

/// Which of the blocks the server has.
Status LostContents::ask(const std::vector<Sending>& all, const CallOptions& options) {
  std::vector<BlockId> ids;
  auto flush = [&]() -> Status {
    if (ids.empty()) return {};
    for (const protocol::BlockStatus& state : TRY(d_.upload.remote.missing_blocks(ids, options)))
      stored_[state.block] = state.state == protocol::BlockState::kStored;
    ids.clear();
    return {};
  };
  for (const Sending& sending : all)
    for (const Chunk& chunk : sending.manifest.chunks) {
      if (chunk.is_hole() || !stored_.try_emplace(chunk.block, false).second) continue;
      ids.push_back(chunk.block);
      if (ids.size() == kBlocksAtOnce) TRY(flush());
    }
  return flush();
}

/// Whether the file holds this content here, without changes on top.
Result<bool> LostContents::is_clean(const Wanted& wanted) {
  const bool unseen = d_.backing.unseen(wanted.inode);
  MutexLock lock(d_.store.mutex());
  auto row = d_.store.inode(lock, wanted.inode);
  if (!row.ok()) return false;
  const ContentRow content = TRY(d_.store.content(lock, wanted.inode));
  // What a program writes past us shows in no row.
  return row->content == wanted.content && content.dirty.empty() && !unseen;
}

/// Reads a chunk that is here whole and unchanged.
Result<bool> LostContents::read(const Sending& sending, BackingFile& file, std::uint64_t offset, std::span<std::uint8_t> out) {
  auto frozen = file.freeze();
  {
    MutexLock lock(d_.store.mutex());
    const ContentRow content = TRY(d_.store.content(lock, sending.wanted.inode));
    const Extent range{offset, offset + out.size()};
    if (!content.valid.contains(range) || !content.dirty.present(range).empty()) return false;
  }
  TRY(file.file().read_at(offset, out));  // short at the end of a sparse file: zeros
  return true;
}

Status LostContents::send(Sending& sending, UploadRound& round) {
  if (sending.lacking.empty()) return {};
  sending.whole = false;
  auto file = d_.backing.open_file(sending.wanted.inode, false);
  if (!file.ok()) return file.error().code() == Code::kNotFound ? Status() : Status(std::move(file).error());
  sending.clean = TRY(is_clean(sending.wanted));
  sending.generation = (*file)->generation();
  for (const auto& [index, offset] : sending.lacking) {
    Chunk& chunk = sending.manifest.chunks[index];
    Bytes bytes(block::kSealFront + static_cast<std::size_t>(chunk.length));
    if (!TRY(read(sending, **file, offset, std::span(bytes).subspan(block::kSealFront)))) return {};
    auto sealed = [&chunk](const block::SealedBlock& block) {
      chunk.block = block.id;
      chunk.key = block.key;
      chunk.stored_bytes = static_cast<std::uint32_t>(block.bytes.size());
    };
    TRY(round.seal(std::move(bytes), {.sealed = std::move(sealed), .stored = {}}));
  }
  sending.whole = true;
  return {};
}

Status LostContents::prepare(const std::vector<Wanted>& wanted, MetadataStore::Confirmed& confirmed,
                             const CallOptions& options) {
  std::vector<Sending> all;
  for (const Wanted& want : wanted) {
    manifests_[want.inode].reset();
    const ContentRow content = TRY(confirmed.content(want.inode));
    if (content.manifest_content != want.content || content.manifest.empty()) continue;
    all.push_back({want, TRY(decode_manifest(content.manifest)), {}, true, false, 0});
  }
  TRY(ask(all, options));
  std::vector<Manifest> before;
  for (Sending& sending : all) {
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < sending.manifest.chunks.size(); ++i) {
      const Chunk& chunk = sending.manifest.chunks[i];
      if (!chunk.is_hole() && !stored_[chunk.block]) sending.lacking.emplace_back(i, offset);
      offset += chunk.length;
    }
    before.push_back(sending.manifest);
  }
  {
    // What is known to be stored was known of the server as it was.
    UploadRound round(d_.upload, options.stop);
    for (Sending& sending : all) TRY(send(sending, round));
    TRY(round.finish());
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    Sending& sending = all[i];
    if (!sending.whole) continue;
    // The same bytes seal to the same block. Another compressor makes another one of them; then it has to be sure
    // that these were the bytes.
    if (!(sending.manifest == before[i])) {
      auto file = d_.backing.open_file(sending.wanted.inode, false);
      if (!file.ok() || !sending.clean || (*file)->generation() != sending.generation || !TRY(is_clean(sending.wanted)))
        continue;
    }
    manifests_[sending.wanted.inode] = encode_manifest(sending.manifest);
  }
  return {};
}

}  // namespace skymoor::client
