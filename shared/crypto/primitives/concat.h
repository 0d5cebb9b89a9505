// Byte strings one after the other, and numbers as the RFCs write them. Private to this room.
#pragma once
#include <algorithm>
#include <array>
#include <initializer_list>

#include "shared/crypto/secret.h"

namespace skymoor::crypto {

inline Bytes concat(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (ByteView part : parts) size += part.size();
  Bytes out;
  out.reserve(size);
  for (ByteView part : parts) append(out, part);
  return out;
}

inline SecretBytes concat_secret(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (ByteView part : parts) size += part.size();
  SecretBytes out(size);
  auto at = out.mutable_view().begin();
  for (ByteView part : parts) at = std::copy(part.begin(), part.end(), at);
  return out;
}

/// Two bytes, high byte first (I2OSP(value, 2) of RFC 8017).
constexpr std::array<std::uint8_t, 2> big_endian_16(std::size_t value) {
  return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

}  // namespace skymoor::crypto
