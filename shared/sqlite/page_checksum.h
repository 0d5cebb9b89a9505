// PageChecksum: what the last bytes of a page say about the rest, and how a database says that its pages have it. Private to
// the room.
#pragma once
#include <cstdint>
#include <span>

#include "shared/base/bytes.h"

namespace skymoor::sqlite {

/// Reserved at the end of each page: the page's number, then CRC-32C of that number and of all before it (u32, little endian).
inline constexpr std::size_t kChecksumBytes = 8;
/// `user_version` of a database whose pages have checksums counts from here: a program that knows of none takes it for the
/// schema of a newer one, and refuses it.
inline constexpr std::uint32_t kChecksummedVersion = 0x10000;
/// Of a database file: what SQLite reads before it knows the size of a page.
inline constexpr std::size_t kHeaderBytes = 100;
inline constexpr int kSmallestPage = 512, kLargestPage = 65536;

/// What a database says of its pages. Reserved bytes and version say it both, so that no bit that flips takes it back.
enum class PageKind : std::uint8_t {
  kUnknown,         ///< no database: empty, or something else
  kPlain,           ///< as SQLite writes them
  kChecked,
  kContradictory,   ///< the one says so and the other does not, or the size of a page is none
};
struct FileHeader {
  PageKind kind = PageKind::kUnknown;
  std::uint32_t page_bytes = 0;
};
/// `bytes`: kHeaderBytes at least.
FileHeader read_header(ByteView bytes);

enum class PageFault : std::uint8_t { kNone, kWrong, kMissing, kMisplaced, kCut, kHeader };

/// Writes the checksum into the last bytes of page `number` (from 1).
void seal_page(std::span<std::uint8_t> page, std::uint32_t number);
/// kWrong: it is damaged; kMissing: it has none (zeros, or written by another program); kMisplaced: it is another page.
PageFault check_page(ByteView page, std::uint32_t number);

/// SQLite's own sum over frames of the write-ahead log. Source: sqlite.org/fileformat2.html, "Checksum Algorithm".
struct LogSum {
  std::uint32_t first = 0, second = 0;
  /// Continues over `bytes` (a multiple of 8), read as words in the log's order of bytes.
  void add(ByteView bytes, bool big_endian);
  bool operator==(const LogSum&) const = default;
};

/// Numbers as SQLite's files have them.
std::uint32_t big_endian_u32(const std::uint8_t* at);

}  // namespace skymoor::sqlite
