#include "fuse/sync/download/block_reader.h"

#include <unordered_map>

#include "shared/base/log.h"
#include "shared/block/pack.h"
#include "shared/block/seal.h"

namespace skymoor::client {
namespace {
constexpr int kMaxFruitless = 3;   // requests that brought nothing whole, before it is an error
}

Status BlockReader::read(std::span<const Chunk> chunks, const CallOptions& options, const Sink& sink) {
  std::vector<bool> done(chunks.size());
  int fruitless = 0;
  while (true) {
    std::vector<BlockId> ids;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      if (done[i]) continue;
      ids.push_back(chunks[i].block);
      bytes += chunks[i].stored_bytes;
    }
    if (ids.empty()) return {};
    TRY(throttle_.take(std::min<std::uint64_t>(bytes, block::kMaxPackBytes), options.stop));
    auto pack = remote_.fetch_pack(ids, options);
    connection_.note(pack.ok() ? Status() : Status(pack.error()));
    if (!pack.ok()) return std::move(pack).error();
    progress_.downloaded_bytes += pack->size();
    const std::size_t got = TRY(take(*pack, chunks, done, sink));
    if (got > 0) continue;
    if (++fruitless == kMaxFruitless)
      return Error(Code::kIo, "the server cannot give block " + ids.front().hex() + " whole");
  }
}

/// Puts blocks together from their segments. Answers how many came whole.
Result<std::size_t> BlockReader::take(ByteView pack, std::span<const Chunk> chunks, std::vector<bool>& done,
                                      const Sink& sink) {
  const block::ParsedPack parsed = TRY(block::parse_pack(pack));
  struct Arriving {
    Bytes sealed;
    std::size_t intact = 0;
  };
  std::unordered_map<BlockId, Arriving> arriving;
  for (const block::Segment& segment : parsed.segments) {
    if (!segment.intact || segment.block_bytes > block::kMaxBlockBytes) continue;
    Arriving& block = arriving[segment.block];
    if (block.sealed.size() != segment.block_bytes) block = {Bytes(segment.block_bytes), 0};
    std::copy(segment.bytes.begin(), segment.bytes.end(),
              block.sealed.begin() + std::ptrdiff_t{segment.index} * block::kSegmentBytes);
    ++block.intact;
  }
  std::size_t got = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (done[i]) continue;
    auto it = arriving.find(chunks[i].block);
    if (it == arriving.end()) continue;
    const Bytes& sealed = it->second.sealed;
    if (it->second.intact < block::segment_count(static_cast<std::uint32_t>(sealed.size()))) continue;
    Bytes plain;
    Status opened = block::open_block(chunks[i].block, chunks[i].key, sealed,
                                      static_cast<std::uint32_t>(chunks[i].length), plain);
    if (!opened.ok()) {
      log_warn("sync.block.refused", {{"block", chunks[i].block.hex()}, {"error", opened.error()}});
      continue;
    }
    TRY(sink(i, std::move(plain)));
    done[i] = true;
    ++got;
    ++progress_.downloaded_blocks;
  }
  return got;
}

Result<Bytes> BlockReader::read_one(const Chunk& chunk, const CallOptions& options) {
  Bytes plain;
  TRY(read({&chunk, 1}, options, [&](std::size_t, Bytes bytes) -> Status {
    plain = std::move(bytes);
    return {};
  }));
  return plain;
}

}  // namespace skymoor::client
