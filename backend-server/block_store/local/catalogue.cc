#include "backend-server/block_store/local/catalogue.h"

#include <algorithm>

namespace skymoor::server {

using segment::Entry;
using segment::RecordKind;

namespace {
constexpr std::size_t kRunsAtOnce = 1024;  // walked under one hold of the lock; divides BlockIndex::kRuns
}

void Catalogue::add_segment(std::uint32_t number, std::uint32_t salt, std::uint64_t file_bytes) {
  MutexLock lock(mutex_);
  segments_[number] = {.salt = salt, .file_bytes = file_bytes};
}

void Catalogue::seal_segment(std::uint32_t number, std::uint64_t file_bytes) {
  MutexLock lock(mutex_);
  segments_[number].sealed = true;
  segments_[number].file_bytes = file_bytes;
}

void Catalogue::keep_segment(std::uint32_t number) {
  MutexLock lock(mutex_);
  if (auto it = segments_.find(number); it != segments_.end()) it->second.kept = true;
}

void Catalogue::drop_segment(std::uint32_t number) {
  MutexLock lock(mutex_);
  segments_.erase(number);
}

void Catalogue::forget(const Place& place, const MutexLock&) {
  auto it = segments_.find(place.segment);
  if (it == segments_.end()) return;
  it->second.live_bytes -= segment::record_bytes(place.bytes);
  if (place.damaged) --it->second.damaged;
}

std::size_t Catalogue::apply(std::uint32_t number, std::span<const Entry> entries, std::uint64_t file_bytes) {
  MutexLock lock(mutex_);
  Books& books = segments_[number];
  books.file_bytes = file_bytes;
  std::size_t removed = 0;
  for (const Entry& e : entries) {
    if (e.kind == RecordKind::kTombstone) {
      books.tombstone_bytes += segment::record_bytes(0);
      if (auto before = index_.erase(e.name)) {
        forget(*before, lock);
        ++removed;
      }
      continue;
    }
    // Equal names are equal bytes: an older readable copy is better than a damaged newer one.
    if (auto older = e.damaged ? index_.find(e.name) : std::nullopt; older && !older->damaged) continue;
    auto before = index_.put(e.name, {number, e.offset, e.bytes, e.damaged});
    if (before) forget(*before, lock);
    books.live_bytes += segment::record_bytes(e.bytes);
    books.damaged += e.damaged;
  }
  return removed;
}

std::optional<Catalogue::Located> Catalogue::find(const BlockName& name) const {
  MutexLock lock(mutex_);
  auto place = index_.find(name);
  if (!place) return std::nullopt;
  auto books = segments_.find(place->segment);
  return Located{*place, books == segments_.end() ? 0 : books->second.salt};
}

std::vector<bool> Catalogue::contains(const VolumeId& volume, std::span<const BlockId> ids) const {
  std::vector<bool> there(ids.size());
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto place = index_.find({volume, ids[i]});
    there[i] = place && !place->damaged;
  }
  return there;
}

bool Catalogue::mark_damaged(const BlockName& name, const Place& place) {
  MutexLock lock(mutex_);
  if (!index_.mark_damaged(name, place)) return false;
  ++segments_[place.segment].damaged;
  return true;
}

BlockPage Catalogue::list(const ListRequest& request) const {
  BlockPage page;
  for (std::size_t run = BlockIndex::first_run(request); run < BlockIndex::kRuns && !page.more;) {
    MutexLock lock(mutex_);
    for (std::size_t n = 0; n < kRunsAtOnce && run < BlockIndex::kRuns && !page.more; ++n)
      index_.list_run(run++, request, page);
  }
  return page;
}

BlockStoreStats Catalogue::stats() const {
  MutexLock lock(mutex_);
  BlockStoreStats stats;
  stats.blocks = index_.blocks();
  stats.block_bytes = index_.bytes();
  stats.segments = segments_.size();
  for (const auto& [number, books] : segments_) {
    stats.disk_bytes += books.file_bytes;
    stats.damaged += books.damaged;
  }
  return stats;
}

std::optional<Catalogue::Compaction> Catalogue::pick_compaction(const CompactionRule& rule) const {
  MutexLock lock(mutex_);
  std::optional<Compaction> best;
  double best_share = rule.live_below;
  std::uint64_t all_bytes = 0, all_tombstones = 0;
  for (const auto& [number, books] : segments_) {
    all_bytes += books.file_bytes;
    all_tombstones += books.tombstone_bytes;
    if (!books.sealed || books.damaged || books.kept) continue;
    // Tombstones can only be dropped when no older segment is left that may hold what they hide.
    const bool oldest = number == segments_.begin()->first;
    const std::uint64_t useful = books.live_bytes + (oldest ? 0 : books.tombstone_bytes);
    const double share = static_cast<double>(useful) / static_cast<double>(books.file_bytes);
    if (share < best_share) {
      best_share = share;
      best = Compaction{number, books.tombstone_bytes > 0};
    }
  }
  if (best || all_tombstones <= std::max(rule.tombstone_bytes, all_bytes / 64)) return best;
  const auto& [number, books] = *segments_.begin();
  if (books.sealed && !books.damaged && !books.kept) best = Compaction{number, books.tombstone_bytes > 0};
  return best;
}

std::vector<BlockIndex::Named> Catalogue::blocks_in(std::uint32_t segment) const {
  std::vector<BlockIndex::Named> found;
  for (std::size_t run = 0; run < BlockIndex::kRuns; run += kRunsAtOnce) {
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < kRunsAtOnce; ++i) index_.in_segment(run + i, segment, found);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.place.offset < b.place.offset; });
  return found;
}

bool Catalogue::tombstone_needed(std::uint32_t origin, std::uint32_t rewritten) const {
  MutexLock lock(mutex_);
  for (const auto& [number, books] : segments_) {
    if (number > origin) break;
    if (number != rewritten) return true;
  }
  return false;
}

}  // namespace skymoor::server
