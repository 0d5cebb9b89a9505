#include "fuse/app/state/spare_room.h"

#include <fcntl.h>

#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr std::uint64_t kSpareBytes = 1u << 20;
constexpr std::uint64_t kPlenty = 16 * kSpareBytes;   // of a smaller disk every byte is wanted
}  // namespace

void SpareRoom::keep() {
  if (!disk_.exists(path_) && disk_.free_bytes(path_.substr(0, path_.rfind('/'))).value_or(0) < kPlenty) return;
  Status taken = take();
  if (taken.ok()) return;
  log_warn("state.spare_room.not_kept", {{"why", taken.error()}});
  (void)disk_.unlink(path_);
}

/// A kill may have left a file that is not as long.
Status SpareRoom::take() {
  auto file = TRY(disk_.open(path_, {.create = true}));
  if (TRY(file->size()) >= kSpareBytes) return {};
  const int failed = ::posix_fallocate(file->fd(), 0, kSpareBytes);
  return failed == 0 ? Status() : Status(Error::from_errno(failed, path_));
}

bool SpareRoom::give() {
  if (!disk_.exists(path_)) return false;
  Status given = disk_.unlink(path_);
  if (!given.ok()) log_warn("state.spare_room.not_given", {{"why", given.error()}});
  return given.ok();
}

}  // namespace skymoor::client
