#include "shared/block/chunker.h"

#include <algorithm>
#include <bit>

#include "shared/crypto/hash.h"

namespace skymoor::block {
namespace {

/// The gear hash shifts one bit a byte: a byte has left its 64 bits after 64 more.
constexpr std::size_t kWindowBytes = 64;
/// How many bits more (before the average) and fewer (after it) than log2(average) a cut must show.
constexpr int kNormalisation = 2;
constexpr char kGearLabel[] = "skymoor chunker gear 1";

ChunkSizes sane(ChunkSizes sizes) {
  sizes.average = std::bit_floor(std::max<std::uint32_t>(sizes.average, 256));
  sizes.min = std::clamp<std::uint32_t>(sizes.min, kWindowBytes, sizes.average);
  sizes.max = std::max(sizes.max, sizes.average);
  return sizes;
}

/// The highest `bits` bits: those that depend on the most bytes.
std::uint64_t top_bits(int bits) { return ~std::uint64_t{0} << (64 - bits); }

/// Rolls `hash` over p[from, to) and returns the length up to and with the first byte after which it shows no bit of
/// `mask`; 0 when there is none.
std::size_t find_cut(const std::uint8_t* p, std::size_t from, std::size_t to, const std::uint64_t* gear,
                     std::uint64_t mask, std::uint64_t& hash) {
  std::uint64_t h = hash;
  std::size_t i = from;
  // Two bytes a step: only one shift and one add of each step wait for the step before.
  auto pair = [&](std::size_t at) {
    const std::uint64_t first = gear[p[at]], second = (first << 1) + gear[p[at + 1]];
    const std::uint64_t middle = (h << 1) + first;
    h = (h << 2) + second;
    return middle;
  };
  for (; i + 8 <= to; i += 8) {
    if (!(pair(i) & mask)) [[unlikely]] return i + 1;
    if (!(h & mask)) [[unlikely]] return i + 2;
    if (!(pair(i + 2) & mask)) [[unlikely]] return i + 3;
    if (!(h & mask)) [[unlikely]] return i + 4;
    if (!(pair(i + 4) & mask)) [[unlikely]] return i + 5;
    if (!(h & mask)) [[unlikely]] return i + 6;
    if (!(pair(i + 6) & mask)) [[unlikely]] return i + 7;
    if (!(h & mask)) [[unlikely]] return i + 8;
  }
  for (; i < to; ++i) {
    h = (h << 1) + gear[p[i]];
    if (!(h & mask)) return i + 1;
  }
  hash = h;
  return 0;
}

}  // namespace

Chunker::Chunker(ByteView key, ChunkSizes sizes) : sizes_(sane(sizes)) {
  crypto::SecretBytes stream =
      crypto::hkdf_expand(crypto::hkdf_extract({}, key).view(), as_bytes(kGearLabel), gear_.size() * 8);
  ByteReader in(stream.view());
  for (std::uint64_t& entry : gear_) entry = in.u64();
  int bits = std::bit_width(sizes_.average) - 1;
  mask_early_ = top_bits(bits + kNormalisation);
  mask_late_ = top_bits(bits - kNormalisation);
}

std::size_t Chunker::first_cut(ByteView data, bool at_end, std::size_t without_cut) const {
  if (data.size() <= sizes_.min) return at_end ? data.size() : 0;
  const std::size_t limit = std::min<std::size_t>(data.size(), sizes_.max);
  const std::size_t normal = std::min<std::size_t>(limit, sizes_.average);
  const std::size_t begin = std::clamp<std::size_t>(without_cut, sizes_.min, limit);
  // The window is full when the first cut may come, so that a cut depends on what is there, not on where a chunk began.
  std::uint64_t hash = 0;
  for (std::size_t i = begin - kWindowBytes; i < begin; ++i) hash = (hash << 1) + gear_[data[i]];
  const std::size_t late = std::max(begin, normal);
  if (begin < normal)
    if (std::size_t cut = find_cut(data.data(), begin, normal, gear_.data(), mask_early_, hash)) return cut;
  if (std::size_t cut = find_cut(data.data(), late, limit, gear_.data(), mask_late_, hash)) return cut;
  return limit == sizes_.max || at_end ? limit : 0;
}

}  // namespace skymoor::block
