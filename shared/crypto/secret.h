// SecretBytes: key material that is wiped when it goes.
#pragma once
#include "shared/base/bytes.h"

namespace skymoor::crypto {

/// Owns key bytes; wiped on destruction, move-only, never logged. Copy on purpose with `clone`.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  explicit SecretBytes(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();
  /// Takes over a buffer that a cipher has filled, without a second copy to wipe.
  static SecretBytes adopt(Bytes&& bytes) {
    SecretBytes secret;
    secret.bytes_ = std::move(bytes);
    return secret;
  }
  SecretBytes clone() const { return SecretBytes(view()); }
  ByteView view() const { return bytes_; }
  std::span<std::uint8_t> mutable_view() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

}  // namespace skymoor::crypto
