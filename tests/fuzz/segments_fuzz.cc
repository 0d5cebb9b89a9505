// The server's segment files and hints: a damaged disk, or payloads that clients chose, must not become records.
#include "backend-server/block_store/local/segment_format.h"
#include "backend-server/block_store/local/segment_scan.h"
#include "shared/crypto/hash.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace server;
using namespace server::segment;

constexpr std::uint32_t kSalt = 0x5eed5a17;

void check_entries(const Scan& scan, std::uint64_t size) {
  check(scan.end <= size && scan.skipped_bytes <= size, "inside the file");
  std::uint64_t last = 0;
  for (const Entry& entry : scan.entries) {
    check(entry.offset >= last && entry.offset % kAlignment == 0, "records in order, on their boundary");
    last = std::uint64_t{entry.offset} + record_bytes(entry.bytes);
    check(last <= size, "a record lies inside the file");
  }
}

void try_scan(ByteView bytes) {
  MemoryFile file(bytes);
  auto scan = scan_segment(file, kSalt, 0, bytes.size());
  check(scan.ok(), "reading memory cannot fail");
  check_entries(*scan, bytes.size());
}

Bytes record(ByteView payload, std::uint32_t salt = kSalt) {
  const BlockName name{VolumeId{{1}}, BlockId{crypto::sha256(payload).value}};
  RecordHeader header{RecordKind::kBlock, name, static_cast<std::uint32_t>(payload.size()), 1, crc32c(payload)};
  Bytes out(kRecordHeaderBytes);
  encode_record_header(header, salt, std::span<std::uint8_t, kRecordHeaderBytes>(out.data(), kRecordHeaderBytes));
  append(out, payload);
  out.resize(record_bytes(header.bytes));
  return out;
}

/// Two records of any payload, the first one's header damaged: the second is found. What looks like a record within the payload
/// has another salt: a client does not know the segment's.
void try_damage(Choices choices) {
  const std::size_t flip = choices.below(kRecordHeaderBytes);
  const ByteView payload = choices.rest();
  if (payload.empty()) return;
  const std::uint32_t salt = crc32c(payload);
  Bytes file_bytes = record(payload, salt);
  file_bytes[flip] ^= 4;
  const std::size_t second = file_bytes.size();
  append(file_bytes, record(payload, salt));
  MemoryFile file(file_bytes);
  auto scan = scan_segment(file, salt, 0, file_bytes.size());
  check(scan.ok(), "reading memory cannot fail");
  check_entries(*scan, file_bytes.size());
  bool found = false;
  for (const Entry& entry : scan->entries) found |= entry.offset == second && !entry.damaged;
  check(found, "a whole record behind a damaged one is found");
}

void try_headers(ByteView bytes) {
  auto file_header = decode_file_header(bytes, 1);
  if (file_header.ok())
    check_round_trip(*file_header, encode_file_header, [](const Bytes& b) { return decode_file_header(b, 1); }, "header");
  (void)decode_record_header(bytes, kSalt);
  (void)number_in_name(as_text(bytes), ".seg");
}

void try_hint(ByteView bytes) {
  // The checksum stands at the end: put the right one.
  Bytes whole = to_bytes(bytes);
  ByteWriter out;
  out.u32(crc32c(whole));
  append(whole, out.view());
  auto hint = decode_hint(whole);
  if (!hint.ok()) return;
  const auto encode = [](const Hint& h) { return encode_hint(h.number, h.salt, h.covered_bytes, h.closed, h.entries); };
  check_round_trip(*hint, encode, [](const Bytes& b) { return decode_hint(b); }, "hint");
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  switch (choices.below(4)) {
    case 0: return try_scan(choices.rest());
    case 1: return try_damage(choices);
    case 2: return try_headers(choices.rest());
    default: return try_hint(choices.rest());
  }
}

std::vector<Bytes> seeds() {
  Bytes two = record(Bytes(100, 1));
  append(two, record(Bytes(31, 2)));
  Entry entry;
  entry.name = {VolumeId{{1}}, BlockId{{2}}};
  entry.offset = kFileHeaderBytes;
  entry.bytes = 100;
  entry.origin = 1;
  Bytes hint = encode_hint(1, kSalt, 300, true, std::vector<Entry>{entry, entry});
  hint.resize(hint.size() - 4);
  return {with_choice(0, two), with_choice(0, record(record(Bytes(20, 3)))), with_choice(1, with_choice(7, two)),
          with_choice(2, encode_file_header({1, kSalt})), with_choice(2, as_bytes("0000000001.seg")),
          with_choice(3, hint)};
}

}  // namespace skymoor::fuzz
