// Reproducible bytes for the tests of this room.
#pragma once
#include <cstring>
#include <random>

#include "shared/base/bytes.h"

namespace skymoor::block {

/// Incompressible bytes from a seed.
inline Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  Bytes out(size);
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = engine();
    std::memcpy(out.data() + i, &word, 8);
  }
  for (; i < size; ++i) out[i] = static_cast<std::uint8_t>(engine());
  return out;
}

/// Bytes that zstd shrinks to about a third.
inline Bytes text_bytes(std::size_t size, std::uint64_t seed) {
  static constexpr std::string_view kWords[] = {"cloud ", "drive ", "block ", "segment ", "mountain ", "sky ", "moor ",
                                                "writes ", "and ", "reads ", "the ", "journal ", "0x1f ", "device\n"};
  std::mt19937_64 engine(seed);
  Bytes out;
  out.reserve(size + 16);
  while (out.size() < size) append(out, as_bytes(kWords[engine() % std::size(kWords)]));
  out.resize(size);
  return out;
}

}  // namespace skymoor::block
