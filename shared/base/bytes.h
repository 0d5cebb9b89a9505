// Byte strings, and the bounded little-endian reader and writer that every persistent and wire format uses.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"

namespace skymoor {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(std::string_view text) { return {text.begin(), text.end()}; }
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

std::string hex_encode(ByteView bytes);                ///< lower case
Result<Bytes> hex_decode(std::string_view text);       ///< Errors: InvalidArgument (odd length, not hex)
std::string base64url_encode(ByteView bytes);          ///< RFC 4648 section 5, without padding
Result<Bytes> base64url_decode(std::string_view text); ///< Errors: InvalidArgument (padding, other alphabet)

/// CRC-32C (Castagnoli), as in RFC 3720; `seed` continues an earlier checksum.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

/// Appends fixed-width little-endian numbers, varints (LEB128) and length-prefixed strings to a byte string it owns.
class ByteWriter {
 public:
  void u8(std::uint8_t v) { out_.push_back(v); }
  void u16(std::uint16_t v) { fixed(v, 2); }
  void u32(std::uint32_t v) { fixed(v, 4); }
  void u64(std::uint64_t v) { fixed(v, 8); }
  void i64(std::int64_t v) { fixed(static_cast<std::uint64_t>(v), 8); }
  void varint(std::uint64_t v);
  void raw(ByteView bytes) { append(out_, bytes); }
  void bytes(ByteView bytes) { varint(bytes.size()); raw(bytes); }  ///< varint length, then the bytes
  void text(std::string_view text) { bytes(as_bytes(text)); }
  std::size_t size() const { return out_.size(); }
  const Bytes& view() const { return out_; }
  Bytes take() { return std::move(out_); }
  void clear() { out_.clear(); }
  /// Overwrites 4 bytes written earlier (a length or checksum known only at the end).
  void patch_u32(std::size_t at, std::uint32_t v);

 private:
  void fixed(std::uint64_t v, int width) {
    for (int i = 0; i < width; ++i) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  Bytes out_;
};

/// Reads what ByteWriter wrote, never past the end. The first failure sticks: later reads give zeros and `finish`
/// reports it, so that a decoder may read a whole struct and check once. Views point into the input.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }
  std::uint64_t varint();
  ByteView raw(std::size_t size);
  ByteView bytes(std::size_t max_size);                ///< fails if the length exceeds `max_size`
  std::string text(std::size_t max_size) { return std::string(as_text(bytes(max_size))); }
  /// A count of items each at least `min_item_bytes` long: fails if the rest of the input cannot hold that many.
  std::size_t count(std::size_t max_items, std::size_t min_item_bytes = 1);
  bool failed() const { return failed_; }
  void fail() { failed_ = true; }
  std::size_t remaining() const { return in_.size() - at_; }
  std::size_t position() const { return at_; }
  /// Errors: Corrupt if any read failed or, unless `allow_rest`, if input is left over.
  Status finish(std::string_view what, bool allow_rest = false) const;

 private:
  std::uint64_t fixed(int width);
  ByteView in_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace skymoor
