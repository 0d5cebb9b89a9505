// ContentView: what of an open file's bytes is here, kept in memory.
#pragma once
#include <vector>

#include "fuse/journal/rows.h"
#include "shared/model/manifest.h"

namespace skymoor::client {

/// A copy of an inode's content row, good as long as the inode's content id is the one it was loaded for. `valid` may
/// lag behind the store (fetches are noted there), never run ahead of it. A value; not thread-safe.
class ContentView {
 public:
  bool loaded_for(const InodeRow& row) const { return loaded_ && of_ == row.content; }
  void load(const InodeRow& row, const ContentRow& content);
  void forget() { loaded_ = false; }

  bool valid(Extent extent) const { return valid_.contains(extent); }
  bool wholly_valid(std::uint64_t size) const { return valid_.contains({0, size}); }
  const ExtentSet& valid_set() const { return valid_; }
  /// The bytes of a small file as its manifest carries them; empty when it does not, or they are not this content's.
  const Bytes& inline_bytes() const { return inline_; }
  bool has_manifest() const { return has_manifest_; }

  // What an own change did; `content` is the id it gave the file.
  void written(OpId content, Extent extent);
  void cut(OpId content, std::uint64_t size);
  void renamed(OpId content) { of_ = content; }
  void lost(Extent extent) { valid_.remove(extent); }

 private:
  bool loaded_ = false, has_manifest_ = false;
  OpId of_;
  ExtentSet valid_;
  Bytes inline_;
};

/// The end of whatever a file may hold.
inline constexpr std::uint64_t kEndOfAll = kMaxFileBytes;

/// Dirty ranges are kept in grains of this size where the file is valid: random writes do not make long lists.
inline constexpr std::uint64_t kDirtyGrain = 64 * 1024;

/// [extent) rounded outward to grains as far as all of it is valid, within `size`.
Extent dirty_extent(const ContentView& view, Extent extent, std::uint64_t size);

}  // namespace skymoor::client
