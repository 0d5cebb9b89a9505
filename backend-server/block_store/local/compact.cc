// Compaction: rewrites what is still useful of a segment to the active one and deletes the file.
#include "backend-server/block_store/local/segment_block_store.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMoveBytes = 8 * 1024 * 1024;

}  // namespace

Catalogue::CompactionRule SegmentBlockStore::compaction_rule() const {
  return {.live_below = options_.compact_below, .tombstone_bytes = options_.segment_bytes / 4};
}

Result<bool> SegmentBlockStore::maintain() {
  TRY(check_open());
  if (!begin_maintenance()) return true;
  Status done;
  if (auto what = catalogue_.pick_compaction(compaction_rule())) done = compact(*what);
  end_maintenance();
  TRY(std::move(done));
  return catalogue_.pick_compaction(compaction_rule()).has_value();
}

Status SegmentBlockStore::compact(const Catalogue::Compaction& what) {
  // A block that turns out to be damaged keeps the segment: its bytes may still help whoever repairs it.
  if (!TRY(move_blocks(what.segment))) return {};
  if (what.has_tombstones) TRY(move_tombstones(what.segment));
  TRY(disk_.fault("block_store.moved", options_.directory));
  TRY(delete_segment(what.segment));
  log_info("block_store.compacted", {{"segment", what.segment}});
  return {};
}

/// Submits a move that is large enough, or any that is not empty when `flush` is set, and starts the next one.
Status SegmentBlockStore::submit_if_full(std::unique_ptr<CommitRequest>& move, bool flush) {
  if (move->records.empty() || (!flush && move->encoded.size() < kMoveBytes)) return {};
  TRY(queue_.submit(*move));
  move = std::make_unique<CommitRequest>(CommitRequest::Kind::kMove);
  return {};
}

/// Returns whether no live block is left in the segment.
Result<bool> SegmentBlockStore::move_blocks(std::uint32_t segment) {
  auto move = std::make_unique<CommitRequest>(CommitRequest::Kind::kMove);
  for (const auto& [name, place] : catalogue_.blocks_in(segment)) {
    auto bytes = get(name.volume, name.block);
    if (!bytes.ok() && bytes.error().code() == Code::kNotFound) continue;  // removed meanwhile
    if (!bytes.ok() && bytes.error().code() == Code::kCorrupt) return false;
    if (!bytes.ok()) return bytes.error();
    move->add_block(name, *bytes);
    move->records.back().from_segment = place.segment;
    move->records.back().from_offset = place.offset;
    TRY(submit_if_full(move, false));
  }
  TRY(submit_if_full(move, true));
  return catalogue_.blocks_in(segment).empty();
}

/// Keeps the tombstones that still hide a dead record in an older segment.
Status SegmentBlockStore::move_tombstones(std::uint32_t segment) {
  auto file = TRY(open_segments_.open(segment));
  segment::Contents contents = TRY(segment::read_contents(disk_, options_.directory, segment, *file));
  if (contents.scan.unreadable) {   // since it was opened; no other is to wait for it
    catalogue_.keep_segment(segment);
    return Error(Code::kIo, "some of " + segment::segment_path(options_.directory, segment) + " cannot be read: it is not compacted");
  }
  auto move = std::make_unique<CommitRequest>(CommitRequest::Kind::kMove);
  for (const segment::Entry& e : contents.scan.entries) {
    if (e.kind != segment::RecordKind::kTombstone || !catalogue_.tombstone_needed(e.origin, segment)) continue;
    move->add_tombstone(e.name);
    move->records.back().header.origin = e.origin;
    TRY(submit_if_full(move, false));
  }
  return submit_if_full(move, true);
}

Status SegmentBlockStore::delete_segment(std::uint32_t segment) {
  for (const std::string& path : {segment::segment_path(options_.directory, segment),
                                  segment::hint_path(options_.directory, segment)})
    if (Status gone = disk_.unlink(path); !gone.ok() && gone.error().code() != Code::kNotFound) return gone;
  // Tombstones may be dropped once this segment is gone: it must not come back after a power cut.
  TRY(disk_.sync_directory(options_.directory));
  open_segments_.forget(segment);
  catalogue_.drop_segment(segment);
  return {};
}

}  // namespace skymoor::server
