#include "shared/block/pack.h"

#include <algorithm>

#include "shared/block/seal.h"

namespace skymoor::block {
namespace {

constexpr std::uint8_t kMagic[4] = {'S', 'K', 'P', 'K'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kCheckedHeaderBytes = 44;  // all but the checksum
constexpr std::size_t kHeaderBytes = 48;

/// How long segment `index` of a block of that size is; 0 when there is no such segment.
std::uint32_t expected_bytes(std::uint32_t block_bytes, std::uint32_t index) {
  if (block_bytes == 0 || block_bytes > kMaxBlockBytes || index >= segment_count(block_bytes)) return 0;
  return std::min(kSegmentBytes, block_bytes - index * kSegmentBytes);
}

/// One segment from the front of `in`. False when its header cannot be right or its bytes are not all there. Size,
/// index and length determine each other, so that damage to them is seen before the length is trusted.
bool read_segment(ByteReader& in, ByteView pack, Checksums checksums, Segment& out) {
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
  out.intact = checksums == Checksums::kLeave ||
               crc32c(out.bytes, crc32c(pack.subspan(start, kCheckedHeaderBytes))) == checksum;
  return true;
}

Bytes frame() {
  ByteWriter out;
  out.raw(kMagic);
  out.u32(kVersion);
  return out.take();
}

Bytes segment_header(const BlockId& block, std::uint32_t block_bytes, std::uint32_t index, ByteView bytes) {
  ByteWriter header;
  header.raw(block.view());
  header.u32(block_bytes);
  header.u32(index);
  header.u32(static_cast<std::uint32_t>(bytes.size()));
  header.u32(crc32c(bytes, crc32c(header.view())));
  return header.take();
}

}  // namespace

PackWriter::PackWriter(std::size_t expected_bytes) {
  if (expected_bytes > 0) out_.reserve(std::min(expected_bytes + expected_bytes / 64 + kSegmentBytes, kMaxPackBytes));
  append(out_, frame());
}

void PackWriter::add_segment(const BlockId& block, std::uint32_t block_bytes, std::uint32_t index, ByteView bytes) {
  append(out_, segment_header(block, block_bytes, index, bytes));
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

std::size_t PackFiller::space_for(std::uint32_t block_bytes) {
  return block_bytes + segment_count(block_bytes) * kHeaderBytes;
}

PackFiller::PackFiller(std::span<std::uint8_t> memory) : memory_(memory) {
  const Bytes begin = frame();
  static_assert(kFrameBytes == sizeof kMagic + sizeof kVersion);
  std::copy(begin.begin(), begin.end(), memory_.begin());
}

std::vector<std::span<std::uint8_t>> PackFiller::place(std::uint32_t block_bytes) {
  std::vector<std::span<std::uint8_t>> places;
  placed_bytes_ = 0;
  if (block_bytes == 0 || block_bytes > kMaxBlockBytes || space_for(block_bytes) > memory_.size() - size_) return places;
  placed_bytes_ = block_bytes;
  std::size_t at = size_;
  for (std::uint32_t i = 0; i < segment_count(block_bytes); ++i) {
    places.push_back(memory_.subspan(at + kHeaderBytes, expected_bytes(block_bytes, i)));
    at += kHeaderBytes + places.back().size();
  }
  return places;
}

void PackFiller::keep(const BlockId& block) {
  for (std::uint32_t i = 0; i < segment_count(placed_bytes_); ++i) {
    const ByteView bytes = memory_.subspan(size_ + kHeaderBytes, expected_bytes(placed_bytes_, i));
    const Bytes header = segment_header(block, placed_bytes_, i, bytes);
    std::copy(header.begin(), header.end(), memory_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += kHeaderBytes + bytes.size();
    ++segments_;
  }
  placed_bytes_ = 0;
}

Result<ParsedPack> parse_pack(ByteView pack, Checksums checksums) {
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
    if (!read_segment(in, pack, checksums, segment)) {
      parsed.truncated = true;
      break;
    }
    parsed.segments.push_back(segment);
  }
  return parsed;
}

}  // namespace skymoor::block
