// statfs: what can really still be written.
#include <algorithm>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kManyInodes = 1ull << 32;   // ids are 64 bits wide: no volume runs out of them

}  // namespace

Result<VolumeStatistics> Engine::statistics(Request&) {
  VolumeStatistics shown = fetcher_.volume_statistics();
  const MetadataStore::Totals totals = store_.totals();
  std::uint64_t disk = TRY(backing_.free_bytes());
  // Clean content makes room when room is needed.
  const BackingStore::Usage usage = backing_.usage();
  std::uint64_t room = disk + usage.clean_bytes;
  room = room > options_.reserve_bytes ? room - options_.reserve_bytes : 0;
  const std::uint64_t waiting = unsent_bytes(store_.pending(), usage);
  if (shown.total_bytes == 0) {
    // No quota, or the server has not been heard yet: the disk is the only bound.
    shown.used_bytes = totals.bytes;
    shown.free_bytes = room;
    shown.total_bytes = shown.used_bytes + room;
  } else {
    std::uint64_t left = shown.free_bytes > waiting ? shown.free_bytes - waiting : 0;
    shown.used_bytes = shown.total_bytes - std::min(left, shown.total_bytes);
    shown.free_bytes = std::min(left, room);
  }
  shown.inodes = kManyInodes;
  shown.free_inodes = kManyInodes - std::min(totals.inodes, kManyInodes);
  return shown;
}

}  // namespace skymoor::client
