// Bytes of segment files and hint files. Private to this room; described in SEGMENTS.md.
#pragma once
#include <optional>

#include "backend-server/block_store/block_store.h"

namespace skymoor::server::segment {

inline constexpr std::uint32_t kFileHeaderBytes = 64;  ///< two copies of 32 bytes: a rotten bit does not cost a segment
inline constexpr std::uint32_t kRecordHeaderBytes = 72;
inline constexpr std::uint32_t kAlignment = 8;         ///< every record starts at a multiple

struct FileHeader {
  std::uint32_t number = 0;
  /// Random, never sent anywhere; seeds the checksum of record headers. Clients choose payload bytes: without it one
  /// could plant a forged record in its payload for a recovery that looks for the next record after damage.
  std::uint32_t salt = 0;
};
Bytes encode_file_header(const FileHeader& header);
/// Errors: Corrupt when neither copy is whole or they name another segment.
Result<FileHeader> decode_file_header(ByteView bytes, std::uint32_t expected_number);

enum class RecordKind : std::uint8_t { kBlock = 1, kTombstone = 2 };

struct RecordHeader {
  RecordKind kind = RecordKind::kBlock;
  BlockName name;
  std::uint32_t bytes = 0;        ///< payload; 0 for a tombstone
  std::uint32_t origin = 0;       ///< number of the segment the record was first written to
  std::uint32_t payload_crc = 0;
};
void encode_record_header(const RecordHeader& header, std::uint32_t salt,
                          std::span<std::uint8_t, kRecordHeaderBytes> out);
std::optional<RecordHeader> decode_record_header(ByteView bytes, std::uint32_t salt);
/// True when `bytes` begins with the four bytes every record begins with.
bool has_record_magic(const std::uint8_t* bytes);

/// Header, payload and padding.
constexpr std::uint32_t record_bytes(std::uint32_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + kAlignment - 1) & ~(kAlignment - 1);
}

/// One record of a segment, as the index needs it.
struct Entry {
  RecordKind kind = RecordKind::kBlock;
  bool damaged = false;
  BlockName name;
  std::uint32_t offset = 0;  ///< of the record's header in the segment
  std::uint32_t bytes = 0;
  std::uint32_t origin = 0;
};

/// Lists the records of the first `covered_bytes` of a segment, so that opening need not read them.
struct Hint {
  std::uint32_t number = 0;
  std::uint32_t salt = 0;
  std::uint64_t covered_bytes = 0;
  bool closed = false;  ///< the segment ends there: what follows was never acknowledged
  std::vector<Entry> entries;
};
Bytes encode_hint(std::uint32_t number, std::uint32_t salt, std::uint64_t covered_bytes, bool closed,
                  std::span<const Entry> entries);
/// Errors: Corrupt.
Result<Hint> decode_hint(ByteView bytes);

std::string segment_path(const std::string& directory, std::uint32_t number);
std::string hint_path(const std::string& directory, std::uint32_t number);
/// The number in a segment's or hint's file name; none for other names.
std::optional<std::uint32_t> number_in_name(std::string_view file_name, std::string_view suffix);

}  // namespace skymoor::server::segment
