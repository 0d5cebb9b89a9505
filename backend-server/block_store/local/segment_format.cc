#include "backend-server/block_store/local/segment_format.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "shared/block/seal.h"

namespace skymoor::server::segment {
namespace {

constexpr std::string_view kFileMagic = "SKYMSEG\n";
constexpr std::string_view kHintMagic = "SKYMHNT\n";
constexpr std::uint8_t kRecordMagic[4] = {0xb1, 0x0c, 0x5e, 0x90};
constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint32_t kFileVersion = 1;
constexpr std::size_t kHalfHeaderBytes = kFileHeaderBytes / 2;
constexpr std::size_t kHintEntryBytes = 61;
constexpr std::size_t kDigits = 10;
enum HintFlags : std::uint8_t { kDamagedFlag = 1 };

std::optional<FileHeader> decode_half(ByteView half) {
  if (half.size() < kHalfHeaderBytes) return std::nullopt;
  ByteReader in(half);
  ByteView magic = in.raw(kFileMagic.size());
  const std::uint32_t version = in.u32();
  FileHeader header;
  header.number = in.u32();
  header.salt = in.u32();
  in.raw(8);
  if (in.u32() != crc32c(half.first(kHalfHeaderBytes - 4)) || as_text(magic) != kFileMagic || version != kFileVersion)
    return std::nullopt;
  return header;
}

bool plausible(RecordKind kind, std::uint32_t bytes) {
  if (kind == RecordKind::kTombstone) return bytes == 0;
  return kind == RecordKind::kBlock && bytes > 0 && bytes <= block::kMaxBlockBytes;
}

void read_name(ByteReader& in, BlockName& name) {
  ByteView volume = in.raw(VolumeId::kSize), block = in.raw(BlockId::kSize);
  std::copy(volume.begin(), volume.end(), name.volume.value.begin());
  std::copy(block.begin(), block.end(), name.block.value.begin());
}

std::string numbered(const std::string& directory, std::uint32_t number, std::string_view suffix) {
  std::string digits = std::to_string(number);
  return directory + "/" + std::string(kDigits - digits.size(), '0') + digits + std::string(suffix);
}

}  // namespace

Bytes encode_file_header(const FileHeader& header) {
  ByteWriter out;
  for (int copy = 0; copy < 2; ++copy) {
    const std::size_t start = out.size();
    out.raw(as_bytes(kFileMagic));
    out.u32(kFileVersion);
    out.u32(header.number);
    out.u32(header.salt);
    out.u64(0);
    out.u32(crc32c(ByteView(out.view()).subspan(start)));
  }
  return out.take();
}

Result<FileHeader> decode_file_header(ByteView bytes, std::uint32_t expected_number) {
  for (std::size_t at : {std::size_t{0}, kHalfHeaderBytes}) {
    if (bytes.size() < at) break;
    auto header = decode_half(bytes.subspan(at));
    if (header && header->number == expected_number) return *header;
  }
  return Error(Code::kCorrupt, "segment " + std::to_string(expected_number) + " has no readable header");
}

void encode_record_header(const RecordHeader& header, std::uint32_t salt,
                          std::span<std::uint8_t, kRecordHeaderBytes> out) {
  ByteWriter w;
  w.raw(kRecordMagic);
  w.u8(kRecordVersion);
  w.u8(static_cast<std::uint8_t>(header.kind));
  w.u16(0);
  w.raw(header.name.volume.view());
  w.raw(header.name.block.view());
  w.u32(header.bytes);
  w.u32(header.origin);
  w.u32(header.payload_crc);
  w.u32(crc32c(w.view(), salt));
  std::copy(w.view().begin(), w.view().end(), out.begin());
}

std::optional<RecordHeader> decode_record_header(ByteView bytes, std::uint32_t salt) {
  if (bytes.size() < kRecordHeaderBytes || !has_record_magic(bytes.data())) return std::nullopt;
  ByteReader in(bytes.first(kRecordHeaderBytes));
  in.raw(sizeof kRecordMagic);
  const std::uint8_t version = in.u8();
  RecordHeader header;
  header.kind = static_cast<RecordKind>(in.u8());
  in.u16();
  read_name(in, header.name);
  header.bytes = in.u32();
  header.origin = in.u32();
  header.payload_crc = in.u32();
  if (in.u32() != crc32c(bytes.first(kRecordHeaderBytes - 4), salt)) return std::nullopt;
  if (version != kRecordVersion || !plausible(header.kind, header.bytes)) return std::nullopt;
  return header;
}

bool has_record_magic(const std::uint8_t* bytes) { return std::memcmp(bytes, kRecordMagic, sizeof kRecordMagic) == 0; }

Bytes encode_hint(std::uint32_t number, std::uint32_t salt, std::uint64_t covered_bytes, bool closed,
                  std::span<const Entry> entries) {
  ByteWriter out;
  out.raw(as_bytes(kHintMagic));
  out.u32(kFileVersion);
  out.u32(number);
  out.u32(salt);
  out.u64(covered_bytes);
  out.u8(closed);
  out.u32(static_cast<std::uint32_t>(entries.size()));
  for (const Entry& e : entries) {
    out.u8(static_cast<std::uint8_t>(static_cast<int>(e.kind) << 4 | (e.damaged ? kDamagedFlag : 0)));
    out.raw(e.name.volume.view());
    out.raw(e.name.block.view());
    out.u32(e.offset);
    out.u32(e.bytes);
    out.u32(e.origin);
  }
  out.u32(crc32c(out.view()));
  return out.take();
}

Result<Hint> decode_hint(ByteView bytes) {
  const Error wrong(Code::kCorrupt, "hint file is damaged");
  if (bytes.size() < 4) return wrong;
  ByteReader checksum(bytes.last(4));
  bytes = bytes.first(bytes.size() - 4);
  if (checksum.u32() != crc32c(bytes)) return wrong;
  ByteReader in(bytes);
  ByteView magic = in.raw(kHintMagic.size());
  const std::uint32_t version = in.u32();
  Hint hint;
  hint.number = in.u32();
  hint.salt = in.u32();
  hint.covered_bytes = in.u64();
  hint.closed = in.u8() != 0;
  const std::uint64_t count = in.u32();
  if (in.failed() || as_text(magic) != kHintMagic || version != kFileVersion ||
      count * kHintEntryBytes != in.remaining())
    return wrong;
  hint.entries.resize(count);
  for (Entry& e : hint.entries) {
    const std::uint8_t kind = in.u8();
    e.kind = static_cast<RecordKind>(kind >> 4);
    e.damaged = kind & kDamagedFlag;
    read_name(in, e.name);
    e.offset = in.u32();
    e.bytes = in.u32();
    e.origin = in.u32();
    if (!plausible(e.kind, e.bytes)) return wrong;
    if (std::uint64_t{e.offset} + record_bytes(e.bytes) > hint.covered_bytes) return wrong;
  }
  return hint;
}

std::string segment_path(const std::string& directory, std::uint32_t number) {
  return numbered(directory, number, ".segment");
}
std::string hint_path(const std::string& directory, std::uint32_t number) {
  return numbered(directory, number, ".hint");
}

std::optional<std::uint32_t> number_in_name(std::string_view file_name, std::string_view suffix) {
  if (file_name.size() != kDigits + suffix.size() || !file_name.ends_with(suffix)) return std::nullopt;
  std::uint32_t number = 0;
  auto [end, error] = std::from_chars(file_name.data(), file_name.data() + kDigits, number);
  if (error != std::errc() || end != file_name.data() + kDigits || number == 0) return std::nullopt;
  return number;
}

}  // namespace skymoor::server::segment
