// What the tests of this room share: hex constants and randomness that repeats.
#pragma once
#include <gtest/gtest.h>

#include "shared/base/clock.h"
#include "shared/crypto/hash.h"

namespace skymoor::crypto {

/// Bytes of a hex constant; a typing error in it ends the test program.
inline Bytes hex(std::string_view text) {
  auto bytes = hex_decode(text);
  if (!bytes.ok()) std::abort();
  return std::move(*bytes);
}

inline std::string hex_of(ByteView bytes) { return hex_encode(bytes); }
inline std::string hex_of(const SecretBytes& bytes) { return hex_encode(bytes.view()); }

/// The same bytes on every run, other bytes on every call.
class RepeatableRandom final : public Random {
 public:
  explicit RepeatableRandom(std::uint64_t seed = 1) : seed_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    ByteWriter words;
    words.u64(seed_);
    words.u64(calls_++);
    const SecretBytes bytes = hkdf_expand(words.view(), {}, out.size());
    std::copy(bytes.view().begin(), bytes.view().end(), out.begin());
  }

 private:
  std::uint64_t seed_, calls_ = 0;
};

/// Gives out what a vector says.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::uint8_t> out) override {
    if (at_ + out.size() > bytes_.size()) std::abort();
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), out.size(), out.begin());
    at_ += out.size();
  }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

}  // namespace skymoor::crypto
