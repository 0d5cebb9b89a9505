// Manifest: the ordered chunks that make one version of a file's content.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "shared/base/ids.h"

namespace skymoor {

inline constexpr std::size_t kMaxInlineBytes = 4096;

/// A range of the file: one sealed block, or a hole (zeros that are stored nowhere).
struct Chunk {
  std::uint64_t length = 0;                   ///< plaintext bytes; at most 4 MiB unless a hole
  BlockId block;                              ///< all zero: a hole
  std::array<std::uint8_t, 32> key{};         ///< opens the block
  std::uint32_t stored_bytes = 0;             ///< size of the sealed block
  bool is_hole() const { return block.is_zero(); }
  friend bool operator==(const Chunk&, const Chunk&) = default;
};

/// A file of up to kMaxInlineBytes is carried whole in `inline_data`; a larger one in chunks whose lengths add up to
/// `size`.
struct Manifest {
  std::uint64_t size = 0;
  Bytes inline_data;
  std::vector<Chunk> chunks;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// Persistent format, version 1: see MODEL.md. Errors of decode: Corrupt.
Bytes encode_manifest(const Manifest& manifest);
Result<Manifest> decode_manifest(ByteView bytes);

}  // namespace skymoor
