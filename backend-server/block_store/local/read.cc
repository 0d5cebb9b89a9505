// Reading and scrubbing.
#include <map>
#include <set>

#include "backend-server/block_store/local/segment_block_store.h"
#include "shared/base/log.h"
#include "shared/block/seal.h"

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

Result<Bytes> SegmentBlockStore::read_block(const BlockName& name, const Catalogue::Located& at) {
  auto opened = open_segments_.open(at.place.segment);
  if (!opened.ok() && opened.error().code() == Code::kNotFound)
    return Error(Code::kCorrupt, "segment " + std::to_string(at.place.segment) + " is missing");
  auto file = TRY(std::move(opened));
  std::uint8_t start[segment::kRecordHeaderBytes];
  std::size_t n = TRY(file->read_at(at.place.offset, start));
  Bytes bytes(at.place.bytes);
  bytes.resize(TRY(file->read_at(at.place.offset + segment::kRecordHeaderBytes, bytes)));
  auto header = segment::decode_record_header(ByteView(start, n), at.salt);
  if (bytes.size() == at.place.bytes) {
    if (header && header->name == name && header->payload_crc == crc32c(bytes)) return bytes;
    // The damage may be in the header alone.
    if (block::block_id_matches(name.block, bytes)) return bytes;
  }
  return Error(Code::kCorrupt, "block " + name.block.hex() + " is damaged in segment " +
                                   std::to_string(at.place.segment) + " at " + std::to_string(at.place.offset));
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

Result<Bytes> SegmentBlockStore::read_or_mark(const BlockName& name, bool compare_hash) {
  for (int attempt = 1;; ++attempt) {
    auto at = catalogue_.find(name);
    if (!at) return Error(Code::kNotFound, "no such block");
    if (at->place.damaged) return Error(Code::kCorrupt, "block " + name.block.hex() + " is damaged");
    auto bytes = read_block(name, *at);
    if (bytes.ok() && compare_hash && !block::block_id_matches(name.block, *bytes))
      bytes = Error(Code::kCorrupt, "block " + name.block.hex() + " does not have its hash");
    if (bytes.ok()) return bytes;
    auto now = catalogue_.find(name);
    const bool moved = !now || !(now->place == at->place);
    if (moved && attempt < kAttempts) continue;
    if (!moved && is_loss(bytes.error())) mark_damaged(name, at->place, bytes.error());
    return bytes;
  }
}

Result<Bytes> SegmentBlockStore::get(const VolumeId& volume, const BlockId& id) {
  TRY(check_open());
  return read_or_mark({volume, id}, false);
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
      auto bytes = read_or_mark(b.name, true);
      if (!bytes.ok() && bytes.error().code() == Code::kNotFound) continue;  // removed meanwhile
      if (!bytes.ok() && !is_loss(bytes.error())) return bytes.error();
      ++report.blocks;
      report.bytes += b.bytes;
      if (!bytes.ok()) report.damaged.push_back(b.name);
      if (report.bytes < request.max_bytes) continue;
      report.next = ask.after;
      return report;
    }
    if (!page.more) return report;
  }
}

}  // namespace skymoor::server
