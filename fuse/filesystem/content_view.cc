#include "fuse/filesystem/content_view.h"

#include <algorithm>

namespace skymoor::client {

void ContentView::load(const InodeRow& row, const ContentRow& content) {
  loaded_ = true;
  of_ = row.content;
  valid_ = content.valid;
  inline_.clear();
  has_manifest_ = !content.manifest.empty();
  // Larger ones cannot be inline: a chunk's key and block id alone are 64 bytes.
  if (!has_manifest_ || content.manifest.size() > kMaxInlineBytes + 256) return;
  auto manifest = decode_manifest(content.manifest);
  if (manifest.ok()) inline_ = std::move(manifest->inline_data);
}

void ContentView::written(OpId content, Extent extent) {
  of_ = content;
  valid_.add(extent);
}

void ContentView::cut(OpId content, std::uint64_t size) {
  of_ = content;
  valid_.remove({size, kEndOfAll});
}

Extent dirty_extent(const ContentView& view, Extent extent, std::uint64_t size) {
  Extent grains{extent.begin / kDirtyGrain * kDirtyGrain, (extent.end + kDirtyGrain - 1) / kDirtyGrain * kDirtyGrain};
  grains.end = std::max(extent.end, std::min(grains.end, size));
  if (!view.valid({grains.begin, extent.begin})) grains.begin = extent.begin;
  if (!view.valid({extent.end, grains.end})) grains.end = extent.end;
  return grains;
}

}  // namespace skymoor::client
