#include "shared/block/pack.h"

#include <algorithm>

#include "shared/block/seal.h"

namespace skymoor::block {
namespace {

constexpr std::uint8_t kMagic[4] = {'S', 'K', 'P', 'K'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kCheckedHeaderBytes = 44;  // all but the checksum

/// How long segment `index` of a block of that size is; 0 when there is no such segment.
std::uint32_t expected_bytes(std::uint32_t block_bytes, std::uint32_t index) {
  if (block_bytes == 0 || block_bytes > kMaxBlockBytes || index >= segment_count(block_bytes)) return 0;
  return std::min(kSegmentBytes, block_bytes - index * kSegmentBytes);
}

/// One segment from the front of `in`. False when its header cannot be right or its bytes are not all there. Size,
/// index and length determine each other, so that damage to them is seen before the length is trusted.
bool read_segment(ByteReader& in, ByteView pack, Segment& out) {
  const std::size_t start = in.position();
  ByteView id = in.raw(BlockId::kSize);
  out.block_bytes = in.u32();
  out.index = in.u32();
  const std::uint32_t length = in.u32();
  const std::uint32_t checksum = in.u32();
  if (in.failed() || length == 0 || length != expected_bytes(out.block_bytes, out.index)) return false;
  out.bytes = in.raw(length);
  if (in.failed()) return false;
  std::copy(id.begin(), id.end(), out.block.value.begin());
  out.intact = crc32c(out.bytes, crc32c(pack.subspan(start, kCheckedHeaderBytes))) == checksum;
  return true;
}

}  // namespace

PackWriter::PackWriter(std::size_t expected_bytes) {
  if (expected_bytes > 0) out_.reserve(std::min(expected_bytes + expected_bytes / 64 + kSegmentBytes, kMaxPackBytes));
  ByteWriter header;
  header.raw(kMagic);
  header.u32(kVersion);
  append(out_, header.view());
}

void PackWriter::add_segment(const BlockId& block, std::uint32_t block_bytes, std::uint32_t index, ByteView bytes) {
  ByteWriter header;
  header.raw(block.view());
  header.u32(block_bytes);
  header.u32(index);
  header.u32(static_cast<std::uint32_t>(bytes.size()));
  header.u32(crc32c(bytes, crc32c(header.view())));
  append(out_, header.view());
  append(out_, bytes);
  ++segments_;
}

void PackWriter::add_block(const BlockId& block, ByteView sealed) {
  const auto size = static_cast<std::uint32_t>(sealed.size());
  for (std::uint32_t i = 0; i < segment_count(size); ++i)
    add_segment(block, size, i, sealed.subspan(std::size_t{i} * kSegmentBytes, expected_bytes(size, i)));
}

Bytes PackWriter::take() {
  Bytes pack = std::move(out_);
  *this = PackWriter();
  return pack;
}

Result<ParsedPack> parse_pack(ByteView pack) {
  if (pack.size() > kMaxPackBytes) return Error(Code::kInvalidArgument, "pack is larger than allowed");
  ByteReader in(pack);
  ByteView magic = in.raw(sizeof kMagic);
  std::uint32_t version = in.u32();
  if (in.failed() || !std::equal(magic.begin(), magic.end(), kMagic))
    return Error(Code::kInvalidArgument, "not a pack of blocks");
  if (version != kVersion) return Error(Code::kInvalidArgument, "pack of an unknown version");
  ParsedPack parsed;
  while (in.remaining()) {
    if (parsed.segments.size() == kMaxPackSegments)
      return Error(Code::kInvalidArgument, "pack has more segments than allowed");
    Segment segment;
    if (!read_segment(in, pack, segment)) {
      parsed.truncated = true;
      break;
    }
    parsed.segments.push_back(segment);
  }
  return parsed;
}

}  // namespace skymoor::block
