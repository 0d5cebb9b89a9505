// Pack: blocks on the wire, cut into checked segments, so that only damaged or missing segments travel again.
#pragma once
#include <span>
#include <vector>

#include "shared/base/ids.h"

namespace skymoor::block {

inline constexpr std::uint32_t kSegmentBytes = 256 * 1024;
inline constexpr std::size_t kMaxPackBytes = 8 * 1024 * 1024 + 512 * 1024;
inline constexpr std::size_t kMaxPackSegments = 4096;

/// One segment of one block: bytes [index * kSegmentBytes, ...) of the sealed block.
struct Segment {
  BlockId block;
  std::uint32_t block_bytes = 0;  ///< size of the whole sealed block
  std::uint32_t index = 0;
  ByteView bytes;                 ///< points into the pack or the sealed block
  bool intact = true;             ///< CRC-32C of the bytes agreed (decoder only)
};

/// Appends segments to a pack: magic, version, then for each segment a 48-byte header (block id 32, block bytes 4,
/// index 4, segment bytes 4, CRC-32C of header and bytes 4) and its bytes.
class PackWriter {
 public:
  /// `expected_bytes` of blocks: memory for them is taken at once.
  explicit PackWriter(std::size_t expected_bytes = 0);
  void add_segment(const BlockId& block, std::uint32_t block_bytes, std::uint32_t index, ByteView bytes);
  void add_block(const BlockId& block, ByteView sealed);  ///< all its segments
  std::size_t size() const { return out_.size(); }
  std::size_t segments() const { return segments_; }
  Bytes take();

 private:
  Bytes out_;
  std::size_t segments_ = 0;
};

/// Makes a pack of whole blocks in memory that the caller has, so that they are read straight to where they travel.
class PackFiller {
 public:
  /// What the pack takes beside its blocks' own space, and what a block takes.
  static constexpr std::size_t kFrameBytes = 8;
  static std::size_t space_for(std::uint32_t block_bytes);

  /// `memory` has room for the frame and outlives the filler.
  explicit PackFiller(std::span<std::uint8_t> memory);
  /// Where the segments of a block of that size go; none when it does not fit. They are the pack's with `keep`, of the
  /// last one placed, and free again without.
  std::vector<std::span<std::uint8_t>> place(std::uint32_t block_bytes);
  void keep(const BlockId& block);
  std::size_t size() const { return size_; }
  std::size_t segments() const { return segments_; }

 private:
  std::span<std::uint8_t> memory_;
  std::size_t size_ = kFrameBytes, segments_ = 0;
  std::uint32_t placed_bytes_ = 0;
};

/// Reads as many whole segments as are there. A damaged payload gives `intact = false`; a damaged header ends the pack
/// (`truncated`): the sender is told what is missing and sends it again. Errors: InvalidArgument (not a pack, other
/// version, more than the limits allow).
struct ParsedPack {
  std::vector<Segment> segments;
  bool truncated = false;
};
enum class Checksums : std::uint8_t {
  kCompare,
  kLeave,   ///< for who authenticates the blocks with their keys, and so finds whatever is wrong: all count as intact
};
Result<ParsedPack> parse_pack(ByteView pack, Checksums checksums = Checksums::kCompare);

inline std::uint32_t segment_count(std::uint32_t block_bytes) {
  return (block_bytes + kSegmentBytes - 1) / kSegmentBytes;
}

}  // namespace skymoor::block
