#include "fuse/sync/upload/rechunker.h"

#include <algorithm>

namespace skymoor::client {
namespace {

constexpr std::uint64_t kMinHole = 256 * 1024;   // shorter runs of zeros compress to nothing anyway
constexpr std::uint64_t kHoleGrain = 64 * 1024;  // equal content gives equal holes, however sparse the file is

std::size_t leading_zeros(ByteView bytes) {
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    if (word) break;
  }
  while (i < bytes.size() && bytes[i] == 0) ++i;
  return i;
}

}  // namespace

Rechunker::Rechunker(const block::Chunker& chunker, ByteSource& source, Old old)
    : chunker_(chunker), source_(source), old_(std::move(old)), ahead_(block::kSealFront) {
  if (!old_.manifest || old_.manifest->chunks.empty()) {
    old_.manifest = nullptr;
    return;
  }
  // The last old cut was made by the end of the file, not by its content.
  const std::uint64_t old_size = old_.offsets->back();
  if (old_size != source_.size()) {
    const std::uint64_t last = (*old_.offsets)[old_.offsets->size() - 2];
    old_.dirty.add({std::min(last, source_.size()), std::max(old_size, source_.size())});
  }
}

Status Rechunker::fill(std::uint64_t want) {
  const std::size_t have = ahead().size();
  want = std::min(want, source_.size() - at_);
  if (have >= want) return {};
  // Most chunks are a little over the average: room for those at once, so that the memory need not move.
  const std::uint64_t room = std::max<std::uint64_t>(want, std::min<std::uint64_t>(chunker_.sizes().average * 3ull / 2, source_.size() - at_));
  ahead_.reserve(static_cast<std::size_t>(room) + block::kSealFront + block::kSealBehind);
  ahead_.resize(block::kSealFront + static_cast<std::size_t>(want));
  return source_.read(at_ + have, std::span(ahead_).subspan(block::kSealFront + have));
}

/// Reads on until the chunk's end shows. What is read too far begins the next chunk.
Result<std::size_t> Rechunker::find_cut() {
  const std::uint64_t step = chunker_.sizes().average / 4;
  std::size_t without_cut = 0;
  TRY(fill(chunker_.sizes().average + step));
  while (true) {
    const bool at_end = at_ + ahead().size() == source_.size();
    if (const std::size_t cut = chunker_.first_cut(ahead(), at_end, without_cut)) return cut;
    without_cut = ahead().size();
    if (at_end || without_cut >= chunker_.sizes().max)
      return Error(Code::kInternal, "the chunker wants more bytes than a chunk has");
    TRY(fill(std::min<std::uint64_t>(without_cut + step, chunker_.sizes().max)));
  }
}

std::optional<Rechunker::Piece> Rechunker::take_over() {
  if (!old_.manifest) return std::nullopt;
  const auto& offsets = *old_.offsets;
  while (old_index_ < old_.manifest->chunks.size() && offsets[old_index_] < at_) ++old_index_;
  if (old_index_ >= old_.manifest->chunks.size() || offsets[old_index_] != at_) return std::nullopt;
  const Extent range{at_, offsets[old_index_ + 1]};
  if (range.end > source_.size() || old_.dirty.intersects(range)) return std::nullopt;
  Piece piece{at_, old_.manifest->chunks[old_index_], {}, true};
  at_ = range.end;
  forget_ahead();
  return piece;
}

/// How many zeros begin here, as far as they make a hole; 0 when they do not.
Result<std::uint64_t> Rechunker::zeros_here() {
  const std::uint64_t left = source_.size() - at_;
  if (left < kMinHole) return 0;
  std::uint64_t zeros = leading_zeros(ahead());
  if (zeros < ahead().size() && zeros < kMinHole) return 0;
  Bytes block(kHoleGrain);
  while (zeros < left) {
    const std::uint64_t data = source_.next_data(at_ + zeros) - at_;
    if (data > zeros) {
      zeros = data;
      continue;
    }
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), left - zeros));
    TRY(source_.read(at_ + zeros, std::span(block).first(n)));
    const std::size_t more = leading_zeros(ByteView(block).first(n));
    zeros += more;
    if (more < n) break;
  }
  if (zeros < left) zeros -= zeros % kHoleGrain;
  return zeros >= kMinHole ? zeros : 0;
}

Result<std::optional<Rechunker::Piece>> Rechunker::next() {
  if (at_ >= source_.size()) return std::optional<Piece>();
  if (auto piece = take_over()) return piece;
  // Whether zeros begin here shows in a small part; a whole chunk is read only when they do not.
  TRY(fill(kMinHole));
  if (const std::uint64_t zeros = TRY(zeros_here())) {
    Piece piece{at_, Chunk{.length = zeros}, {}, false};
    at_ += zeros;
    forget_ahead();
    return std::optional(std::move(piece));
  }
  const std::size_t cut = TRY(find_cut());
  Piece piece{at_, Chunk{.length = cut}, take_ahead(cut), false};
  at_ += cut;
  return std::optional(std::move(piece));
}

/// The next `cut` bytes, with room around them: in the memory they were read to, or, where that is much more than they need,
/// in some of their own, for it is held until the block is stored.
Bytes Rechunker::take_ahead(std::size_t cut) {
  const std::size_t size = block::kSealFront + cut;
  if (ahead_.capacity() > (size + block::kSealBehind) * 3 / 2) {
    Bytes own;
    own.reserve(size + block::kSealBehind);
    own.resize(block::kSealFront);
    append(own, ahead().first(cut));
    ahead_.erase(ahead_.begin() + block::kSealFront, ahead_.begin() + static_cast<std::ptrdiff_t>(size));
    return own;
  }
  Bytes rest(block::kSealFront);
  append(rest, ahead().subspan(cut));
  ahead_.resize(size);
  return std::exchange(ahead_, std::move(rest));
}

}  // namespace skymoor::client
