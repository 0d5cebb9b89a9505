// Packs, sealed blocks and what decompresses them: hostile servers and devices choose every byte, bombs included.
#include "shared/block/compress.h"
#include "shared/block/pack.h"
#include "shared/block/seal.h"
#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace block;

void try_pack(ByteView bytes) {
  auto parsed = parse_pack(bytes);
  if (!parsed.ok()) return;
  PackWriter writer;
  for (const auto& segment : parsed->segments) {
    check(!segment.bytes.empty() && segment.index < segment_count(segment.block_bytes), "segment inside its block");
    if (segment.intact) writer.add_segment(segment.block, segment.block_bytes, segment.index, segment.bytes);
  }
  const Bytes again = writer.take();
  auto second = parse_pack(again);
  check(second.ok() && !second->truncated, "a pack that we made");
  for (const auto& segment : second->segments) check(segment.intact, "a segment that we made");
}

/// Any blocks, cut into segments: all come back, and a flipped bit in the payload is seen.
void try_segments(Choices choices) {
  const std::size_t flip = choices.below(256);
  const ByteView sealed = choices.rest();
  if (sealed.empty()) return;
  PackWriter writer;
  writer.add_block(BlockId{{7}}, sealed);
  Bytes pack = writer.take();
  pack[pack.size() - 1 - flip % sealed.size()] ^= 1;
  auto parsed = parse_pack(pack);
  check(parsed.ok() && parsed->segments.size() == 1 && !parsed->segments[0].intact, "a flipped bit is seen");
}

/// The right id and the right tag around any payload: only the payload's own checks are left.
void try_sealed_payload(Choices choices) {
  const std::uint8_t codec = static_cast<std::uint8_t>(choices.below(3));
  std::uint32_t plain_bytes = 0;
  for (std::uint8_t byte : choices.take(3)) plain_bytes = plain_bytes << 8 | byte;
  const BlockKey key{1, 2, 3};
  ByteWriter header;
  header.u8(1);
  header.u8(codec);
  header.u32(plain_bytes);
  Bytes sealed = header.view();
  crypto::gcm_seal(key, std::array<std::uint8_t, 12>{}, header.view(), choices.rest(), sealed);
  Bytes out{9};
  const Status opened = open_block(BlockId{crypto::sha256(sealed).value}, key, sealed, plain_bytes, out);
  check(out.size() == 1 + (opened.ok() ? plain_bytes : 0), "whole or nothing");

  // Where it lies, in two pieces: the same outcome, and the same bytes.
  Bytes place = sealed, scratch;
  const std::size_t cut = std::min<std::size_t>(place.size(), 6 + codec);
  const std::array<std::span<std::uint8_t>, 2> parts{std::span(place).first(cut), std::span(place).subspan(cut)};
  auto pieces = open_in_place(key, parts, plain_bytes, scratch);
  check(pieces.ok() == opened.ok(), "one block, one outcome");
  if (!pieces.ok()) return;
  Bytes joined{9};
  for (ByteView piece : *pieces) append(joined, piece);
  check(joined == out, "one block, one content");
}

void try_sealed(ByteView sealed) {
  Bytes out;
  const Status opened = open_block(BlockId{crypto::sha256(sealed).value}, {}, sealed, 100, out);
  check(opened.ok() || out.empty(), "whole or nothing");
}

void try_frame(Choices choices) {
  std::uint32_t plain_bytes = 0;
  for (std::uint8_t byte : choices.take(3)) plain_bytes = plain_bytes << 8 | byte;
  if (plain_bytes > kMaxChunkBytes) return;
  Bytes out(plain_bytes);
  (void)decompress_exactly(choices.rest(), out);
}

void try_round_trip(ByteView chunk) {
  const Bytes volume_key(32, 4);
  auto sealed = seal_block(volume_key, chunk);
  check(sealed.ok() == !chunk.empty(), "every chunk seals");
  if (!sealed.ok()) return;
  Bytes out;
  check(open_block(sealed->id, sealed->key, sealed->bytes, static_cast<std::uint32_t>(chunk.size()), out).ok() &&
            std::equal(out.begin(), out.end(), chunk.begin(), chunk.end()),
        "what was sealed opens");
}

Bytes sized(std::uint8_t choice, std::uint32_t plain_bytes, ByteView rest, bool with_codec) {
  Bytes out{choice};
  if (with_codec) out.push_back(1);
  for (int shift : {16, 8, 0}) out.push_back(static_cast<std::uint8_t>(plain_bytes >> shift));
  append(out, rest);
  return out;
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(6)) {
    case 0: return try_pack(choices.rest());
    case 1: return try_segments(choices);
    case 2: return try_sealed_payload(choices);
    case 3: return try_sealed(choices.rest());
    case 4: return try_frame(choices);
    default: return try_round_trip(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  PackWriter pack;
  pack.add_block(BlockId{{1}}, Bytes(100, 2));
  pack.add_segment(BlockId{{3}}, kSegmentBytes + 10, 1, Bytes(10, 4));
  Bytes plain(5000, 'a'), frame(plain.size());
  auto smaller = compress_if_smaller(plain, 1, frame);
  check(smaller.ok() && *smaller > 0, "a seed that compresses");
  frame.resize(*smaller);
  const Bytes volume_key(32, 4);
  auto sealed = seal_block(volume_key, plain);
  return {with_choice(0, pack.take()),       with_choice(1, Bytes(300, 5)), sized(2, 5000, frame, true),
          with_choice(3, sealed->bytes),     sized(4, 5000, frame, false),  with_choice(5, plain)};
}

}  // namespace skymoor::fuzz
