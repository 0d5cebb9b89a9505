#include "fuse/filesystem/space_guard.h"

#include <algorithm>

#include "fuse/filesystem/make_room.h"
#include "shared/base/settings.h"

namespace skymoor::client {
namespace {

constexpr std::int64_t kFreshNanoseconds = 100'000'000;
constexpr std::int64_t kLookAfterBytes = 16 << 20;
constexpr std::uint64_t kRecordBytes = 1024;

bool is_fresh(std::int64_t looked_at, std::int64_t now) {
  return looked_at != INT64_MIN && now - looked_at < kFreshNanoseconds && now >= looked_at;
}

}  // namespace

Status SpaceGuard::ask(std::uint64_t bytes) {
  auto wanted = static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, kMaxFileBytes) + kRecordBytes);
  std::int64_t now = seams_.clock.monotonic().time_since_epoch().count();
  const bool fresh = is_fresh(looked_at_.load(std::memory_order_relaxed), now);
  if (fresh && left_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) return {};
  return look(static_cast<std::uint64_t>(wanted));
}

Status SpaceGuard::look(std::uint64_t bytes) {
  const std::uint64_t free = TRY(make_room(seams_.backing, seams_.judge, seams_.reap, reserve_bytes_, bytes));
  if (free < reserve_bytes_ + bytes)
    return Error(Code::kNoSpace, "the disk with Skymoor's state is full (" + format_bytes(free) + " free, of which writes leave " +
                                     format_bytes(reserve_bytes_) + ", option 'reserve'): free some space there");
  std::uint64_t room = free - reserve_bytes_;
  if (const auto left = quota_left(bytes)) {
    if (*left < bytes) return Error(Code::kQuotaExceeded, "the volume's quota is used up");
    room = std::min(room, *left);
  }
  left_.store(std::min<std::int64_t>(static_cast<std::int64_t>(room - bytes), kLookAfterBytes),
              std::memory_order_relaxed);
  looked_at_.store(seams_.clock.monotonic().time_since_epoch().count(), std::memory_order_relaxed);
  return {};
}

std::optional<std::uint64_t> SpaceGuard::quota_left(std::uint64_t bytes) {
  const VolumeStatistics volume = seams_.fetcher.volume_statistics();
  if (volume.total_bytes == 0) return std::nullopt;
  const MetadataStore::Pending pending = seams_.store.pending();
  std::uint64_t waiting = pending.bytes;
  // Asked of every open file, so only where the answer matters.
  if (volume.free_bytes < waiting + bytes) waiting = unsent_bytes(pending, seams_.backing.usage());
  return volume.free_bytes - std::min(volume.free_bytes, waiting);
}

bool SpaceGuard::quota_leaves(std::uint64_t bytes) {
  const std::int64_t now = seams_.clock.monotonic().time_since_epoch().count();
  if (!is_fresh(quota_looked_at_.load(std::memory_order_relaxed), now)) {
    quota_left_.store(quota_left(bytes).value_or(UINT64_MAX), std::memory_order_relaxed);
    quota_looked_at_.store(now, std::memory_order_relaxed);
  }
  return quota_left_.load(std::memory_order_relaxed) >= bytes;
}

}  // namespace skymoor::client
