// Damage: what lines, disks and hostile servers do to bytes, at random.
#pragma once
#include <algorithm>
#include <random>

#include "shared/base/bytes.h"

namespace skymoor::testing {

/// Flips a bit, cuts, repeats, reorders or overwrites a part of the bytes; never leaves them as they were.
inline Bytes damaged(Bytes bytes, std::mt19937_64& dice) {
  const Bytes before = bytes;
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(dice() % n); };
  while (bytes == before) {
    if (bytes.empty()) return Bytes(1 + below(20), 0x5a);
    const std::size_t at = below(bytes.size()), length = 1 + below(std::min<std::size_t>(64, bytes.size() - at));
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at), to = from + static_cast<std::ptrdiff_t>(length);
    switch (below(6)) {
      case 0: bytes[at] ^= static_cast<std::uint8_t>(1u << below(8)); break;
      case 1: bytes.resize(at); break;
      case 2: bytes.erase(from, to); break;
      case 3: {
        const Bytes part(from, to);
        bytes.insert(to, part.begin(), part.end());
        break;
      }
      case 4: std::rotate(from, from + static_cast<std::ptrdiff_t>(below(length)), bytes.end()); break;   // other order
      default: std::generate(from, to, [&] { return static_cast<std::uint8_t>(dice()); }); break;
    }
  }
  return bytes;
}

}  // namespace skymoor::testing
