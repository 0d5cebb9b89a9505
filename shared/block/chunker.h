// Content-defined chunking: equal content gives equal cuts wherever it stands.
#pragma once
#include <array>
#include <cstdint>

#include "shared/base/bytes.h"

namespace skymoor::block {

struct ChunkSizes {
  std::uint32_t min = 256 * 1024;
  std::uint32_t average = 1024 * 1024;  ///< a power of two
  std::uint32_t max = 4 * 1024 * 1024;
};

/// Finds cut points with a gear hash whose table comes from the volume's key, so that an outsider cannot predict cuts.
/// Immutable after construction, thread-safe. Source: Xia et al., FastCDC, USENIX ATC 2016 (normalised chunking).
class Chunker {
 public:
  explicit Chunker(ByteView key, ChunkSizes sizes = {});
  /// Length of the first chunk of `data`: between min and max, or all of `data` when that is shorter than a cut and
  /// `at_end` is set. Needs max bytes, or the rest of the file with `at_end`; 0 when it has too few to tell, or none: then
  /// there is no cut in them, and the next call, with more of the file behind them, need not look for one (`without_cut`).
  std::size_t first_cut(ByteView data, bool at_end, std::size_t without_cut = 0) const;
  const ChunkSizes& sizes() const { return sizes_; }

 private:
  ChunkSizes sizes_;
  std::array<std::uint64_t, 256> gear_;
  std::uint64_t mask_early_, mask_late_;
};

}  // namespace skymoor::block
