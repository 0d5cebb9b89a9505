#include "backend-server/block_store/local/block_index.h"

#include <algorithm>

namespace skymoor::server {

BlockIndex::BlockIndex() : runs_(kRuns) {}

std::size_t BlockIndex::position(const Run& run, const BlockName& name) const {
  auto it = std::partition_point(run.begin(), run.end(), [&](const Slot& slot) {
    auto order = slot.block <=> name.block;
    return order < 0 || (order == 0 && volumes_[slot.volume] < name.volume);
  });
  return static_cast<std::size_t>(it - run.begin());
}

bool BlockIndex::is_at(const Run& run, std::size_t at, const BlockName& name) const {
  return at < run.size() && run[at].block == name.block && volumes_[run[at].volume] == name.volume;
}

std::uint32_t BlockIndex::volume_number(const VolumeId& volume) {
  auto [it, fresh] = volume_numbers_.try_emplace(volume, static_cast<std::uint32_t>(volumes_.size()));
  if (fresh) volumes_.push_back(volume);
  return it->second;
}

std::optional<Place> BlockIndex::find(const BlockName& name) const {
  const Run& run = runs_[run_of(name.block)];
  const std::size_t at = position(run, name);
  if (!is_at(run, at, name)) return std::nullopt;
  return place_of(run[at]);
}

std::optional<Place> BlockIndex::put(const BlockName& name, const Place& place) {
  Run& run = runs_[run_of(name.block)];
  const std::size_t at = position(run, name);
  Slot slot{name.block, volume_number(name.volume), place.segment, place.offset, place.bytes, place.damaged};
  bytes_ += place.bytes;
  if (is_at(run, at, name)) {
    Place before = place_of(run[at]);
    bytes_ -= before.bytes;
    run[at] = slot;
    return before;
  }
  // Runs grow by a quarter: doubling would waste too much of what is one of the server's largest structures.
  if (run.size() == run.capacity()) run.reserve(run.size() + run.size() / 4 + 2);
  run.insert(run.begin() + static_cast<std::ptrdiff_t>(at), slot);
  ++blocks_;
  return std::nullopt;
}

std::optional<Place> BlockIndex::erase(const BlockName& name) {
  Run& run = runs_[run_of(name.block)];
  const std::size_t at = position(run, name);
  if (!is_at(run, at, name)) return std::nullopt;
  Place before = place_of(run[at]);
  run.erase(run.begin() + static_cast<std::ptrdiff_t>(at));
  --blocks_;
  bytes_ -= before.bytes;
  return before;
}

bool BlockIndex::mark_damaged(const BlockName& name, const Place& place) {
  Run& run = runs_[run_of(name.block)];
  const std::size_t at = position(run, name);
  if (!is_at(run, at, name) || run[at].damaged || !(place_of(run[at]) == place)) return false;
  run[at].damaged = 1;
  return true;
}

void BlockIndex::list_run(std::size_t run, const ListRequest& request, BlockPage& page) const {
  const Run& slots = runs_[run];
  std::size_t at = 0;
  if (request.after && run == run_of(request.after->block)) {
    at = position(slots, *request.after);
    if (is_at(slots, at, *request.after)) ++at;
  }
  for (; at < slots.size(); ++at) {
    if (request.volume && volumes_[slots[at].volume] != *request.volume) continue;
    if (page.blocks.size() >= request.limit) {
      page.more = true;
      return;
    }
    page.blocks.push_back({name_of(slots[at]), slots[at].bytes, slots[at].damaged != 0});
  }
}

void BlockIndex::in_segment(std::size_t run, std::uint32_t segment, std::vector<Named>& out) const {
  for (const Slot& slot : runs_[run])
    if (slot.segment == segment) out.push_back({name_of(slot), place_of(slot)});
}

}  // namespace skymoor::server
