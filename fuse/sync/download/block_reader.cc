#include "fuse/sync/download/block_reader.h"

#include <algorithm>
#include <unordered_map>

#include "fuse/remote/backoff.h"
#include "shared/base/log.h"
#include "shared/block/pack.h"
#include "shared/block/seal.h"

namespace skymoor::client {
namespace {
constexpr int kMaxFruitless = 3;   // requests that brought nothing whole, or met a broken line, before it is an error

/// The segments of one block, in order, where they lie in the pack.
using Segments = std::vector<std::span<std::uint8_t>>;

/// The blocks of which every segment is there. Checksums are left alone: whatever is wrong, a block's tag shows.
std::unordered_map<BlockId, Segments> whole_blocks(Bytes& pack, const block::ParsedPack& parsed) {
  struct Arriving {
    std::uint32_t size = 0;
    Segments segments;   ///< so far, from the first on
  };
  std::unordered_map<BlockId, Arriving> arriving;
  for (const block::Segment& segment : parsed.segments) {
    Arriving& block = arriving[segment.block];
    if (segment.index == 0) block = {segment.block_bytes, {}};
    if (segment.index != block.segments.size() || segment.block_bytes != block.size) continue;
    block.segments.emplace_back(pack.data() + (segment.bytes.data() - pack.data()), segment.bytes.size());
  }
  std::unordered_map<BlockId, Segments> whole;
  for (auto& [id, block] : arriving)
    if (block.size > 0 && block.segments.size() == block::segment_count(block.size)) whole.emplace(id, std::move(block.segments));
  return whole;
}

}  // namespace

Status BlockReader::read(std::span<const Chunk> chunks, const CallOptions& options, const Sink& sink) {
  std::vector<bool> done(chunks.size());
  int fruitless = 0, broken = 0;
  std::size_t at_once = chunks.size();
  while (true) {
    std::vector<BlockId> ids;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < chunks.size() && ids.size() < at_once; ++i) {
      if (done[i] || std::find(ids.begin(), ids.end(), chunks[i].block) != ids.end()) continue;
      ids.push_back(chunks[i].block);
      bytes += chunks[i].stored_bytes;
    }
    if (ids.empty()) return {};
    TRY(throttle_.take(std::min<std::uint64_t>(bytes, block::kMaxPackBytes), options.stop));
    auto pack = retry_while_busy(options.stop, [&] { return remote_.fetch_pack(ids, options); });
    // A line that breaks within the answer may carry a smaller one.
    if (!pack.ok() && pack.error().code() == Code::kOffline && ++broken < kMaxFruitless && !options.stop.stop_requested()) {
      at_once = std::max<std::size_t>(1, ids.size() / 2);
      continue;
    }
    connection_.note(pack.ok() ? Status() : Status(pack.error()));
    // It is the block that is not there, not the file that is being read.
    if (!pack.ok() && pack.error().code() == Code::kNotFound)
      return Error(Code::kIo, "the server has lost block " + ids.front().hex());
    if (!pack.ok()) return std::move(pack).error();
    broken = 0;
    at_once = std::min(chunks.size(), 2 * at_once);
    progress_.downloaded_bytes += pack->size();
    const std::size_t got = TRY(take(std::move(*pack), chunks, done, sink));
    if (got > 0) continue;
    if (++fruitless == kMaxFruitless)
      return Error(Code::kIo, "the server cannot give block " + ids.front().hex() + " whole");
  }
}

/// Opens what came whole, where it lies. Answers how many that were.
Result<std::size_t> BlockReader::take(Bytes pack, std::span<const Chunk> chunks, std::vector<bool>& done,
                                      const Sink& sink) {
  std::unordered_map<BlockId, Segments> arrived =
      whole_blocks(pack, TRY(block::parse_pack(pack, block::Checksums::kLeave)));
  std::size_t got = 0;
  Bytes scratch;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    auto it = done[i] ? arrived.end() : arrived.find(chunks[i].block);
    if (it == arrived.end()) continue;
    auto plain = block::open_in_place(chunks[i].key, it->second, static_cast<std::uint32_t>(chunks[i].length), scratch);
    if (!plain.ok())
      log_warn("sync.block.refused", {{"block", chunks[i].block.hex()}, {"error", plain.error()}});
    // One block may be several chunks of the file, and is open now.
    for (std::size_t j = i; plain.ok() && j < chunks.size(); ++j) {
      if (done[j] || chunks[j].block != chunks[i].block) continue;
      if (chunks[j].key != chunks[i].key || chunks[j].length != chunks[i].length) continue;
      TRY(sink(j, *plain));
      done[j] = true;
      ++got;
      ++progress_.downloaded_blocks;
    }
    arrived.erase(it);
  }
  return got;
}

Result<Bytes> BlockReader::read_one(const Chunk& chunk, const CallOptions& options) {
  Bytes plain;
  plain.reserve(chunk.length);
  TRY(read({&chunk, 1}, options, [&](std::size_t, Pieces pieces) -> Status {
    for (ByteView piece : pieces) append(plain, piece);
    return {};
  }));
  return plain;
}

}  // namespace skymoor::client
