#include "shared/base/bytes.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace skymoor {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64url_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc_portable(const std::uint8_t* p, std::size_t n, std::uint32_t crc) {
  for (; n; --n) crc = kCrcTable[(crc ^ *p++) & 0xff] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
constexpr std::size_t kLaneBytes = 2048;

/// What a lane of zeros makes of a checksum: linear in its bits, so a sum of one part for each of its bytes.
class PastOneLane {
 public:
  PastOneLane() {
    const std::vector<std::uint8_t> zeros(kLaneBytes);
    std::array<std::uint32_t, 32> bits{};
    for (std::size_t i = 0; i < 32; ++i) bits[i] = crc_portable(zeros.data(), zeros.size(), 1u << i);
    for (std::size_t part = 0; part < 4; ++part)
      for (std::size_t value = 0; value < 256; ++value)
        for (std::size_t i = 0; i < 8; ++i)
          if (value >> i & 1) parts_[part][value] ^= bits[8 * part + i];
  }
  std::uint32_t operator()(std::uint32_t crc) const {
    return parts_[0][crc & 0xff] ^ parts_[1][crc >> 8 & 0xff] ^ parts_[2][crc >> 16 & 0xff] ^ parts_[3][crc >> 24];
  }

 private:
  std::array<std::array<std::uint32_t, 256>, 4> parts_{};
};

/// The instruction takes three times as long as it keeps its unit busy: three lanes side by side take as long as one.
__attribute__((target("sse4.2"))) std::uint32_t crc_sse42(const std::uint8_t* p, std::size_t n, std::uint32_t crc) {
  static const PastOneLane past_one_lane;
  std::uint64_t wide = crc;
  for (; n >= 3 * kLaneBytes; n -= 3 * kLaneBytes, p += 3 * kLaneBytes) {
    std::uint64_t second = 0, third = 0, words[3];
    for (std::size_t i = 0; i < kLaneBytes; i += 8) {
      for (std::size_t lane = 0; lane < 3; ++lane) __builtin_memcpy(&words[lane], p + lane * kLaneBytes + i, 8);
      wide = _mm_crc32_u64(wide, words[0]);
      second = _mm_crc32_u64(second, words[1]);
      third = _mm_crc32_u64(third, words[2]);
    }
    const std::uint32_t both = past_one_lane(static_cast<std::uint32_t>(wide)) ^ static_cast<std::uint32_t>(second);
    wide = past_one_lane(both) ^ static_cast<std::uint32_t>(third);
  }
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; n; --n) crc = _mm_crc32_u8(crc, *p++);
  return crc;
}
#endif

}  // namespace

std::string hex_encode(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t b : bytes) {
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
  return out;
}

Result<Bytes> hex_decode(std::string_view text) {
  if (text.size() % 2) return Error(Code::kInvalidArgument, "hex text of odd length");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int hi = hex_value(text[i]), lo = hex_value(text[i + 1]);
    if (hi < 0 || lo < 0) return Error(Code::kInvalidArgument, "not a hex digit");
    out.push_back(static_cast<std::uint8_t>(hi << 4 | lo));
  }
  return out;
}

std::string base64url_encode(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t acc = 0;
  int bits = 0;
  for (std::uint8_t b : bytes) {
    acc = acc << 8 | b;
    bits += 8;
    while (bits >= 6) out += kBase64Url[acc >> (bits -= 6) & 63];
  }
  if (bits) out += kBase64Url[acc << (6 - bits) & 63];
  return out;
}

Result<Bytes> base64url_decode(std::string_view text) {
  if (text.size() % 4 == 1) return Error(Code::kInvalidArgument, "base64url text of impossible length");
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t acc = 0;
  int bits = 0;
  for (char c : text) {
    int v = base64url_value(c);
    if (v < 0) return Error(Code::kInvalidArgument, "not a base64url digit");
    acc = acc << 6 | static_cast<std::uint32_t>(v);
    bits += 6;
    if (bits >= 8) out.push_back(static_cast<std::uint8_t>(acc >> (bits -= 8)));
  }
  // Non-zero leftover bits would give two spellings of the same bytes.
  if (bits && (acc & ((1u << bits) - 1))) return Error(Code::kInvalidArgument, "base64url text is not canonical");
  return out;
}

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return ~crc_sse42(bytes.data(), bytes.size(), crc);
#endif
  return ~crc_portable(bytes.data(), bytes.size(), crc);
}

void ByteWriter::varint(std::uint64_t v) {
  while (v >= 0x80) {
    out_.push_back(static_cast<std::uint8_t>(v | 0x80));
    v >>= 7;
  }
  out_.push_back(static_cast<std::uint8_t>(v));
}

void ByteWriter::patch_u32(std::size_t at, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) out_[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(v >> (8 * i));
}

std::uint64_t ByteReader::fixed(int width) {
  ByteView view = raw(static_cast<std::size_t>(width));
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < view.size(); ++i) v |= static_cast<std::uint64_t>(view[i]) << (8 * i);
  return v;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    std::uint8_t b = u8();
    if (failed_ || (shift == 63 && b > 1)) break;
    v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
    if (!(b & 0x80)) {
      if (b == 0 && shift > 0) break;  // one spelling per number
      return v;
    }
  }
  fail();
  return 0;
}

ByteView ByteReader::raw(std::size_t size) {
  if (failed_ || size > remaining()) {
    fail();
    return {};
  }
  ByteView view = in_.subspan(at_, size);
  at_ += size;
  return view;
}

ByteView ByteReader::bytes(std::size_t max_size) {
  std::uint64_t size = varint();
  if (size > max_size) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

std::size_t ByteReader::count(std::size_t max_items, std::size_t min_item_bytes) {
  std::uint64_t n = varint();
  if (n > max_items || n * min_item_bytes > remaining()) {
    fail();
    return 0;
  }
  return static_cast<std::size_t>(n);
}

Status ByteReader::finish(std::string_view what, bool allow_rest) const {
  if (failed_) return Error(Code::kCorrupt, std::string(what) + ": cut short or malformed");
  if (!allow_rest && remaining()) return Error(Code::kCorrupt, std::string(what) + ": bytes left over");
  return {};
}

}  // namespace skymoor
