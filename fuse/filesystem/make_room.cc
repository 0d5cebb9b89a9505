#include "fuse/filesystem/make_room.h"

namespace skymoor::client {

Result<std::uint64_t> make_room(BackingStore& backing, EvictionJudge& judge, const std::function<void()>& reap,
                                std::uint64_t reserve_bytes, std::uint64_t bytes) {
  std::uint64_t free = TRY(backing.free_bytes());
  if (free < reserve_bytes + bytes) {
    reap();
    free = TRY(backing.free_bytes());
  }
  if (free < reserve_bytes + bytes) {
    const std::uint64_t clean = backing.usage().clean_bytes, needed = reserve_bytes + bytes - free;
    TRY(backing.evict(judge, clean > needed ? clean - needed : 0));
    free = TRY(backing.free_bytes());
  }
  return free;
}

}  // namespace skymoor::client
