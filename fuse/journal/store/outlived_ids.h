// OutlivedIds: inodes of which somebody may remember what no row says any more.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "shared/base/ids.h"

namespace skymoor::client {

/// The kernel keeps for a day what it was told. What it can have been told of an inode follows from the rows, as long as they
/// are there: of an inode without a row nothing, of a directory that is not listed no absence and no listing. The ids here are
/// the exceptions: rows that went, directories that were listed once. A Bloom filter: what it denies is certain, however many
/// ids there are; with a million of them it is wrong about one in seven others, which costs needless notices.
///
/// Not thread-safe. Nothing is taken out: a process begins with none, or, after a takeover, with all.
class OutlivedIds {
 public:
  void add(InodeId id) {
    if (bits_.empty()) bits_.resize(kBits / 64);
    for (std::uint64_t at : places(id)) bits_[at / 64] |= std::uint64_t{1} << at % 64;
  }
  void add_all() { bits_.assign(kBits / 64, ~std::uint64_t{0}); }
  bool may_contain(InodeId id) const {
    if (bits_.empty()) return false;
    for (std::uint64_t at : places(id))
      if (!(bits_[at / 64] >> at % 64 & 1)) return false;
    return true;
  }

 private:
  static constexpr std::uint64_t kBits = 1u << 22;   // 512 KiB, from the first id on

  /// Source: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
  static std::array<std::uint64_t, 3> places(InodeId id) {
    std::uint64_t x = id.value + 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    const std::uint64_t second = x * 0x9e3779b97f4a7c15u;
    return {x % kBits, (x >> 32) % kBits, (second >> 40) % kBits};
  }

  std::vector<std::uint64_t> bits_;
};

}  // namespace skymoor::client
