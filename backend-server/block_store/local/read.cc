// Reading and scrubbing.
#include <map>
#include <set>

#include "backend-server/block_store/local/segment_block_store.h"
#include "shared/base/log.h"
#include "shared/block/seal.h"
#include "shared/crypto/hash.h"

namespace skymoor::server {
namespace {

/// A compaction may move a block while it is read, and then another one.
constexpr int kAttempts = 4;
constexpr std::size_t kScrubPage = 256;
constexpr std::size_t kMaxHintBytes = 1u << 30;

/// Whether the error says that these bytes are lost, rather than that we could not look (no descriptor, no memory).
bool is_loss(const Error& error) {
  const int err = error.system_errno();
  return error.code() == Code::kCorrupt || err == EIO || err == EBADMSG || err == EUCLEAN;
}

}  // namespace

Status SegmentBlockStore::read_block(const BlockName& name, const Catalogue::Located& at, const Placing& place) {
  auto opened = open_segments_.open(at.place.segment);
  if (!opened.ok() && opened.error().code() == Code::kNotFound)
    return Error(Code::kCorrupt, "segment " + std::to_string(at.place.segment) + " is missing");
  auto file = TRY(std::move(opened));
  std::uint8_t start[segment::kRecordHeaderBytes];
  const std::size_t n = TRY(file->read_at(at.place.offset, start));
  const Places places = place(at.place.bytes);
  if (places.empty()) return Error(Code::kTooLarge, "no room for the block");
  std::uint64_t offset = at.place.offset + segment::kRecordHeaderBytes;
  std::uint32_t checksum = 0;
  bool whole = true;
  for (std::span<std::uint8_t> part : places) {
    whole &= TRY(file->read_at(offset, part)) == part.size();
    checksum = crc32c(part, checksum);   // while the part is in the processor's cache
    offset += part.size();
  }
  auto header = segment::decode_record_header(ByteView(start, n), at.salt);
  if (whole && header && header->name == name && header->payload_crc == checksum) return {};
  if (whole) {
    // The damage may be in the header alone.
    crypto::Sha256 hash;
    for (std::span<std::uint8_t> part : places) hash.update(part);
    if (hash.finish().value == name.block.value) return {};
  }
  return Error(Code::kCorrupt, "block " + name.block.hex() + " is damaged in segment " +
                                   std::to_string(at.place.segment) + " at " + std::to_string(at.place.offset));
}

Result<Bytes> SegmentBlockStore::read_block(const BlockName& name, const Catalogue::Located& at) {
  Bytes bytes;
  TRY(read_block(name, at, [&](std::uint32_t size) {
    bytes.resize(size);
    return Places{bytes};
  }));
  return bytes;
}

void SegmentBlockStore::mark_damaged(const BlockName& name, const Place& place, const Error& why) {
  if (!catalogue_.mark_damaged(name, place)) return;
  log_error("block_store.block_damaged", {{"volume", name.volume.hex()},
                                          {"block", name.block.hex()},
                                          {"segment", place.segment},
                                          {"offset", place.offset},
                                          {"error", why}});
}

/// Writes into the hints which records are damaged. A segment without a hint is read anyway. Called when nobody writes.
Status SegmentBlockStore::remember_damage() {
  if (catalogue_.stats().damaged == 0) return {};
  std::map<std::uint32_t, std::set<std::uint32_t>> offsets;   // by segment
  ListRequest ask;
  ask.limit = kScrubPage;
  for (bool more = true; more;) {
    BlockPage page = catalogue_.list(ask);
    for (const StoredBlock& b : page.blocks) {
      ask.after = b.name;
      auto at = b.damaged ? catalogue_.find(b.name) : std::nullopt;
      if (!at) continue;
      auto bytes = read_block(b.name, *at);   // a disk that failed for a moment lost nothing
      const bool whole = bytes.ok() && block::block_id_matches(b.name.block, *bytes);
      if (!whole && !writer_.note_damaged(at->place.segment, at->place.offset)) offsets[at->place.segment].insert(at->place.offset);
    }
    more = page.more;
  }
  for (const auto& [number, damaged] : offsets) {
    const std::string path = segment::hint_path(options_.directory, number);
    if (!disk_.exists(path)) continue;
    const Bytes bytes = TRY(read_file(disk_, path, kMaxHintBytes));
    auto hint = segment::decode_hint(bytes);
    if (!hint.ok()) continue;   // ignored at the opening as well
    bool news = false;
    for (segment::Entry& entry : hint->entries)
      if (damaged.contains(entry.offset)) news |= !std::exchange(entry.damaged, true);
    if (news)
      TRY(write_file_durably(disk_, path, segment::encode_hint(hint->number, hint->salt, hint->covered_bytes, hint->closed,
                                                               hint->entries)));
  }
  return {};
}

template <typename Read>
Status SegmentBlockStore::read_or_mark(const BlockName& name, const Read& read) {
  for (int attempt = 1;; ++attempt) {
    auto at = catalogue_.find(name);
    if (!at) return Error(Code::kNotFound, "no such block");
    if (at->place.damaged) return Error(Code::kCorrupt, "block " + name.block.hex() + " is damaged");
    Status outcome = read(*at);
    if (outcome.ok()) return outcome;
    auto now = catalogue_.find(name);
    const bool moved = !now || !(now->place == at->place);
    if (moved && attempt < kAttempts) continue;
    if (!moved && is_loss(outcome.error())) mark_damaged(name, at->place, outcome.error());
    return outcome;
  }
}

Status SegmentBlockStore::read(const VolumeId& volume, const BlockId& id, const Placing& place) {
  TRY(check_open());
  const BlockName name{volume, id};
  return read_or_mark(name, [&](const Catalogue::Located& at) { return read_block(name, at, place); });
}

Result<ScrubReport> SegmentBlockStore::scrub(const ScrubRequest& request) {
  ScrubReport report;
  ListRequest ask;
  ask.after = request.after;
  ask.limit = kScrubPage;
  while (true) {
    TRY(check_open());
    BlockPage page = catalogue_.list(ask);
    for (const StoredBlock& b : page.blocks) {
      ask.after = b.name;
      const Status read = read_or_mark(b.name, [&](const Catalogue::Located& at) -> Status {
        if (block::block_id_matches(b.name.block, TRY(read_block(b.name, at)))) return {};
        return Error(Code::kCorrupt, "block " + b.name.block.hex() + " does not have its hash");
      });
      if (!read.ok() && read.error().code() == Code::kNotFound) continue;  // removed meanwhile
      if (!read.ok() && !is_loss(read.error())) return read.error();
      ++report.blocks;
      report.bytes += b.bytes;
      if (!read.ok()) report.damaged.push_back(b.name);
      if (report.bytes < request.max_bytes) continue;
      report.next = ask.after;
      return report;
    }
    if (!page.more) return report;
  }
}

}  // namespace skymoor::server
