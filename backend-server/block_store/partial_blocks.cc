#include "backend-server/block_store/partial_blocks.h"

#include <algorithm>

#include "shared/base/log.h"
#include "shared/block/seal.h"

namespace skymoor::server {
namespace {

constexpr LockRank kRank = 40030;
/// Charged for each staged block beside its bytes: an uploader that sends only short last segments is bounded too.
constexpr std::uint64_t kBlockCost = 16 * 1024;

Status check_segment(const block::Segment& s) {
  if (!s.intact) return Error(Code::kInvalidArgument, "segment was damaged on its way");
  if (s.block_bytes == 0 || s.block_bytes > block::kMaxBlockBytes || s.index >= block::segment_count(s.block_bytes))
    return Error(Code::kInvalidArgument, "segment outside its block");
  const std::uint32_t expected = std::min(block::kSegmentBytes, s.block_bytes - s.index * block::kSegmentBytes);
  if (s.bytes.size() != expected) return Error(Code::kInvalidArgument, "segment of the wrong length");
  return {};
}

}  // namespace

PartialBlocks::PartialBlocks(const Clock& clock, Options options)
    : clock_(clock), options_(options), mutex_(kRank, "partial_blocks") {}

Result<PartialBlocks::Added> PartialBlocks::add(const VolumeId& volume, const block::Segment& segment) {
  TRY(check_segment(segment));
  const Key key{volume, segment.block, segment.block_bytes};
  Added added;
  if (block::segment_count(segment.block_bytes) == 1) {
    added.bytes = to_bytes(segment.bytes);
  } else {
    auto complete = stage(key, segment);
    if (!complete) return added;
    added.bytes.reserve(segment.block_bytes);
    for (Bytes& part : complete->segments) {
      append(added.bytes, part);
      Bytes().swap(part);
    }
  }
  const bool right = block::block_id_matches(segment.block, added.bytes);
  added.outcome = right ? Outcome::kComplete : Outcome::kMismatch;
  if (!right) added.bytes.clear();
  MutexLock lock(mutex_);
  ++(right ? counts_.completed : counts_.mismatched);
  return added;
}

/// Keeps the segment; returns the whole block when it was the last one missing.
std::optional<PartialBlocks::Staged> PartialBlocks::stage(const Key& key, const block::Segment& segment) {
  Bytes copy = to_bytes(segment.bytes);
  MutexLock lock(mutex_);
  drop_idle(lock);
  Staged& staged = touch(key, lock);
  Bytes& slot = staged.segments[segment.index];
  if (!slot.empty()) return std::nullopt;
  slot = std::move(copy);
  ++staged.present;
  charge(key, staged, segment.bytes.size(), lock);
  if (staged.present == staged.segments.size()) return take(blocks_.find(key), lock);
  make_room(key, lock);
  return std::nullopt;
}

PartialBlocks::Staged& PartialBlocks::touch(const Key& key, const MutexLock& lock) {
  auto [it, fresh] = blocks_.try_emplace(key);
  Staged& staged = it->second;
  if (fresh) {
    staged.segments.resize(block::segment_count(key.block_bytes));
    staged.by_age = by_age_.insert(by_age_.end(), key);
    charge(key, staged, kBlockCost, lock);
  } else {
    by_age_.splice(by_age_.end(), by_age_, staged.by_age);
  }
  staged.touched = clock_.monotonic();
  return staged;
}

void PartialBlocks::charge(const Key& key, Staged& staged, std::uint64_t bytes, const MutexLock&) {
  staged.cost += bytes;
  volume_cost_[key.volume] += bytes;
  total_cost_ += bytes;
}

PartialBlocks::Staged PartialBlocks::take(Blocks::iterator at, const MutexLock&) {
  const VolumeId volume = at->first.volume;
  Staged staged = std::move(at->second);
  total_cost_ -= staged.cost;
  auto cost = volume_cost_.find(volume);
  cost->second -= staged.cost;
  if (cost->second == 0) volume_cost_.erase(cost);
  by_age_.erase(staged.by_age);
  blocks_.erase(at);
  return staged;
}

bool PartialBlocks::drop_oldest(const Key& keep, const VolumeId* volume, const MutexLock& lock) {
  for (const Key& key : by_age_) {
    if (key == keep || (volume && key.volume != *volume)) continue;
    take(blocks_.find(key), lock);
    ++counts_.dropped;
    return true;
  }
  return false;
}

void PartialBlocks::make_room(const Key& keep, const MutexLock& lock) {
  while (volume_cost_[keep.volume] > options_.volume_bytes && drop_oldest(keep, &keep.volume, lock)) {
  }
  while (total_cost_ > options_.total_bytes && drop_oldest(keep, nullptr, lock)) {
  }
}

void PartialBlocks::drop_idle(const MutexLock& lock) {
  const Instant limit = clock_.monotonic() - options_.idle_limit;
  while (!by_age_.empty()) {
    auto oldest = blocks_.find(by_age_.front());
    if (oldest->second.touched > limit) break;
    take(oldest, lock);
    ++counts_.dropped;
  }
}

void PartialBlocks::drop_idle() {
  MutexLock lock(mutex_);
  drop_idle(lock);
}

std::optional<std::vector<std::uint32_t>> PartialBlocks::missing_segments(const VolumeId& volume, const BlockId& id) {
  MutexLock lock(mutex_);
  // Of several claimed sizes, the one most nearly complete.
  const Staged* best = nullptr;
  for (auto it = blocks_.lower_bound({volume, id, 0}); it != blocks_.end(); ++it) {
    if (it->first.volume != volume || it->first.block != id) break;
    const Staged& s = it->second;
    if (!best || s.segments.size() - s.present < best->segments.size() - best->present) best = &s;
  }
  if (!best) return std::nullopt;
  std::vector<std::uint32_t> missing;
  for (std::uint32_t i = 0; i < best->segments.size(); ++i)
    if (best->segments[i].empty()) missing.push_back(i);
  return missing;
}

void PartialBlocks::drop_volume(const VolumeId& volume) {
  MutexLock lock(mutex_);
  for (auto it = blocks_.lower_bound({volume, BlockId{}, 0}); it != blocks_.end() && it->first.volume == volume;) {
    auto next = std::next(it);
    take(it, lock);
    ++counts_.dropped;
    it = next;
  }
}

PartialBlocks::Stats PartialBlocks::stats() const {
  MutexLock lock(mutex_);
  Stats stats = counts_;
  stats.blocks = blocks_.size();
  stats.bytes = total_cost_;
  return stats;
}

}  // namespace skymoor::server
