#include "fuse/app/state/spare_room.h"

#include <fcntl.h>

#include "shared/base/log.h"

namespace skymoor::client {
namespace {
constexpr std::uint64_t kSpareBytes = 1u << 20;
constexpr std::uint64_t kPlenty = 16 * kSpareBytes;   // of a smaller disk every byte is wanted
}  // namespace

void SpareRoom::keep() {
  if (disk_.exists(path_) || disk_.free_bytes(path_.substr(0, path_.rfind('/'))).value_or(0) < kPlenty) return;
  int failed = 0;
  {
    auto file = disk_.open(path_, {.create = true});
    if (!file.ok()) return log_warn("state.spare_room.not_kept", {{"why", file.error()}});
    failed = ::posix_fallocate((*file)->fd(), 0, kSpareBytes);
  }
  if (failed == 0) return;
  log_warn("state.spare_room.not_kept", {{"why", Error::from_errno(failed, path_)}});
  (void)disk_.unlink(path_);
}

bool SpareRoom::give() {
  if (!disk_.exists(path_)) return false;
  Status given = disk_.unlink(path_);
  if (!given.ok()) log_warn("state.spare_room.not_given", {{"why", given.error()}});
  return given.ok();
}

}  // namespace skymoor::client
