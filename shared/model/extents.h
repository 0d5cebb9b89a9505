// ExtentSet: a set of byte ranges, for what of a file is present and what is dirty.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "shared/base/bytes.h"

namespace skymoor {

/// Bytes [begin, end).
struct Extent {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t length() const { return end - begin; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Disjoint, sorted, coalesced ranges. A value; not thread-safe. Costs O(log n) per call plus what it merges.
class ExtentSet {
 public:
  void add(Extent extent);
  void remove(Extent extent);
  void clear() { ranges_.clear(); }
  bool contains(Extent extent) const;       ///< true for an empty extent
  bool intersects(Extent extent) const;
  /// The parts of `within` that are not in the set, in order.
  std::vector<Extent> missing(Extent within) const;
  /// The parts of `within` that are in the set, in order.
  std::vector<Extent> present(Extent within) const;
  std::vector<Extent> all() const;
  std::uint64_t total() const;
  bool empty() const { return ranges_.empty(); }
  std::size_t size() const { return ranges_.size(); }
  friend bool operator==(const ExtentSet&, const ExtentSet&) = default;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin -> end
};

Bytes encode_extents(const ExtentSet& set);
/// Errors: Corrupt.
Result<ExtentSet> decode_extents(ByteView bytes);

}  // namespace skymoor
