#include "shared/sqlite/page_checksum.h"

#include <bit>
#include <cstring>

namespace skymoor::sqlite {
namespace {

constexpr char kMagic[] = "SQLite format 3";   // with its zero
// Places in the header. Source: sqlite.org/fileformat2.html, "The Database Header".
constexpr std::size_t kPageBytesAt = 16, kReservedAt = 20, kVersionAt = 60;

std::uint32_t little_endian_u32(const std::uint8_t* at) {
  return at[0] | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
}

void put_little_endian(std::uint8_t* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

/// The page's last 8 bytes are its number and this.
std::uint32_t sum_of(ByteView page) { return crc32c(page.first(page.size() - 4)); }

}  // namespace

std::uint32_t big_endian_u32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

FileHeader read_header(ByteView bytes) {
  FileHeader header;
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return header;
  header.page_bytes = std::uint32_t{bytes[kPageBytesAt]} << 8 | bytes[kPageBytesAt + 1];
  if (header.page_bytes == 1) header.page_bytes = kLargestPage;
  const bool has_room = bytes[kReservedAt] == kChecksumBytes;
  const bool says_so = big_endian_u32(bytes.data() + kVersionAt) >= kChecksummedVersion;
  const bool sized = header.page_bytes >= kSmallestPage && header.page_bytes <= kLargestPage && std::has_single_bit(header.page_bytes);
  if (!has_room && !says_so) header.kind = PageKind::kPlain;
  else header.kind = has_room && says_so && sized ? PageKind::kChecked : PageKind::kContradictory;
  return header;
}

void seal_page(std::span<std::uint8_t> page, std::uint32_t number) {
  std::uint8_t* tail = page.data() + page.size() - kChecksumBytes;
  put_little_endian(tail, number);
  put_little_endian(tail + 4, sum_of(page));
}

PageFault check_page(ByteView page, std::uint32_t number) {
  const std::uint8_t* tail = page.data() + page.size() - kChecksumBytes;
  const std::uint32_t written = little_endian_u32(tail), sum = little_endian_u32(tail + 4);
  if (written == 0 && sum == 0) return PageFault::kMissing;   // no page has the number 0
  if (sum != sum_of(page)) return PageFault::kWrong;
  return written == number ? PageFault::kNone : PageFault::kMisplaced;
}

void LogSum::add(ByteView bytes, bool big_endian) {
  const std::uint8_t* at = bytes.data();
  auto word = [big_endian](const std::uint8_t* p) { return big_endian ? big_endian_u32(p) : little_endian_u32(p); };
  for (const std::uint8_t* end = at + bytes.size(); at < end; at += 8) {
    first += word(at) + second;
    second += word(at + 4) + first;
  }
}

}  // namespace skymoor::sqlite
