#include "shared/model/extents.h"

#include <algorithm>

namespace skymoor {

void ExtentSet::add(Extent extent) {
  if (extent.begin >= extent.end) return;
  auto it = ranges_.upper_bound(extent.begin);
  if (it != ranges_.begin() && std::prev(it)->second >= extent.begin) --it;
  while (it != ranges_.end() && it->first <= extent.end) {
    extent.begin = std::min(extent.begin, it->first);
    extent.end = std::max(extent.end, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, extent.begin, extent.end);
}

void ExtentSet::remove(Extent extent) {
  if (extent.begin >= extent.end) return;
  auto it = ranges_.upper_bound(extent.begin);
  if (it != ranges_.begin() && std::prev(it)->second > extent.begin) --it;
  while (it != ranges_.end() && it->first < extent.end) {
    Extent old{it->first, it->second};
    it = ranges_.erase(it);
    if (old.begin < extent.begin) ranges_.emplace(old.begin, extent.begin);
    if (old.end > extent.end) {
      ranges_.emplace(extent.end, old.end);
      return;
    }
  }
}

std::vector<Extent> ExtentSet::present(Extent within) const {
  std::vector<Extent> out;
  if (within.begin >= within.end) return out;
  auto it = ranges_.upper_bound(within.begin);
  if (it != ranges_.begin()) --it;
  for (; it != ranges_.end() && it->first < within.end; ++it) {
    Extent part{std::max(it->first, within.begin), std::min(it->second, within.end)};
    if (part.begin < part.end) out.push_back(part);
  }
  return out;
}

std::vector<Extent> ExtentSet::missing(Extent within) const {
  std::vector<Extent> out;
  std::uint64_t at = within.begin;
  for (const Extent& part : present(within)) {
    if (part.begin > at) out.push_back({at, part.begin});
    at = part.end;
  }
  if (at < within.end) out.push_back({at, within.end});
  return out;
}

bool ExtentSet::contains(Extent extent) const {
  if (extent.begin >= extent.end) return true;
  auto it = ranges_.upper_bound(extent.begin);
  return it != ranges_.begin() && std::prev(it)->second >= extent.end;
}

bool ExtentSet::intersects(Extent extent) const { return !present(extent).empty(); }

std::vector<Extent> ExtentSet::all() const {
  std::vector<Extent> out;
  for (auto [begin, end] : ranges_) out.push_back({begin, end});
  return out;
}

std::uint64_t ExtentSet::total() const {
  std::uint64_t sum = 0;
  for (auto [begin, end] : ranges_) sum += end - begin;
  return sum;
}

Bytes encode_extents(const ExtentSet& set) {
  ByteWriter out;
  out.varint(set.size());
  std::uint64_t at = 0;
  for (const Extent& e : set.all()) {
    out.varint(e.begin - at);
    out.varint(e.length());
    at = e.end;
  }
  return out.take();
}

Result<ExtentSet> decode_extents(ByteView bytes) {
  ByteReader in(bytes);
  ExtentSet set;
  std::size_t count = in.count(bytes.size(), 2);
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    std::uint64_t gap = in.varint(), length = in.varint();
    std::uint64_t begin = at + gap, end = begin + length;
    if (begin < at || end <= begin || (i > 0 && gap == 0)) in.fail();
    if (!in.failed()) set.add({begin, end});
    at = end;
  }
  TRY(in.finish("extents"));
  return set;
}

}  // namespace skymoor
