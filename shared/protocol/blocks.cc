#include "shared/protocol/blocks.h"

namespace skymoor::protocol {
namespace {

constexpr std::uint8_t kStatesVersion = 1;
constexpr std::size_t kMaxStates = 10000;
constexpr std::size_t kMaxSegments = 4096;

void read_segments(ByteReader& in, BlockStatus& status) {
  status.missing_segments.resize(in.count(kMaxSegments, 2));
  for (std::uint16_t& segment : status.missing_segments) segment = in.u16();
  // A partial block without a missing segment would have the sender wait for ever.
  if (status.missing_segments.empty()) in.fail();
}

}  // namespace

Bytes encode_block_ids(const std::vector<BlockId>& ids) {
  Bytes out;
  out.reserve(ids.size() * BlockId::kSize);
  for (const BlockId& id : ids) append(out, id.view());
  return out;
}

Result<std::vector<BlockId>> decode_block_ids(ByteView bytes, std::size_t max_ids) {
  if (bytes.size() % BlockId::kSize != 0)
    return Error(Code::kInvalidArgument, "block ids: not a multiple of 32 bytes");
  std::size_t count = bytes.size() / BlockId::kSize;
  if (count > max_ids) return Error(Code::kTooLarge, "more than " + std::to_string(max_ids) + " block ids");
  std::vector<BlockId> ids(count);
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(ids[i].value.data(), bytes.data() + i * BlockId::kSize, BlockId::kSize);
  return ids;
}

Bytes encode_block_states(const std::vector<BlockStatus>& states) {
  ByteWriter out;
  out.u8(kStatesVersion);
  out.varint(states.size());
  for (const BlockStatus& status : states) {
    out.raw(status.block.view());
    out.u8(static_cast<std::uint8_t>(status.state));
    if (status.state != BlockState::kPartial) continue;
    out.varint(status.missing_segments.size());
    for (std::uint16_t segment : status.missing_segments) out.u16(segment);
  }
  return out.take();
}

Result<std::vector<BlockStatus>> decode_block_states(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != kStatesVersion) return Error(Code::kInvalidArgument, "block states of an unknown version");
  std::vector<BlockStatus> states(in.count(kMaxStates, BlockId::kSize + 1));
  for (BlockStatus& status : states) {
    ByteView id = in.raw(BlockId::kSize);
    std::uint8_t state = in.u8();
    if (state > static_cast<std::uint8_t>(BlockState::kPartial)) in.fail();
    if (in.failed()) break;
    std::memcpy(status.block.value.data(), id.data(), BlockId::kSize);
    status.state = static_cast<BlockState>(state);
    if (status.state == BlockState::kPartial) read_segments(in, status);
  }
  if (Status done = in.finish("block states"); !done.ok())
    return Error(Code::kInvalidArgument, done.error().message());
  return states;
}

}  // namespace skymoor::protocol
