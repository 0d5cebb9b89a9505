// Names nobody can guess: of sessions, logins, registrations.
#pragma once
#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::server {

inline Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  random.fill(bytes);
  return bytes;
}

/// 128 random bits in hex.
inline std::string random_name(Random& random) { return hex_encode(random_bytes(random, 16)); }

}  // namespace skymoor::server
