#include <algorithm>

#include "fuse/filesystem/file/content_change.h"
#include "shared/base/copy_bytes.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxCopy = 64u << 20;     // one call must not keep its thread for long: it may answer less
constexpr std::size_t kMaxAnswer = 0xfffff000;  // the kernel is told in 32 bits how much was copied

}  // namespace

Result<std::size_t> Engine::copy_range(Request& request, HandleId from_id, std::uint64_t from_offset, HandleId to_id,
                                       std::uint64_t to_offset, std::size_t length) {
  if (to_offset >= kMaxFileBytes) return Error(Code::kFileTooLarge, "past the largest file");
  length = std::min<std::uint64_t>({length, kMaxAnswer, kMaxFileBytes - to_offset});
  std::shared_ptr<OpenInode> from, to;
  {
    MutexLock lock(store_.mutex());
    Handle *source = TRY(handle_of(lock, from_id)), *target = TRY(handle_of(lock, to_id));
    if (!source->read || !target->write || target->append) return Error(Code::kBadHandle, "not open for this");
    from = source->inode;
    to = target->inode;
  }
  if (from->watched.load(std::memory_order_acquire)) TRY(settle(from));
  if (const std::size_t cloned = TRY(clone_range(request, from, from_offset, to, to_offset, length)); cloned > 0) return cloned;
  length = TRY(copyable(request, *from, from_offset, std::min(length, kMaxCopy)));
  if (length == 0) return std::size_t{0};
  if (from == to && from_offset < to_offset + length && to_offset < from_offset + length)
    return Error(Code::kInvalidArgument, "the ranges overlap");
  TRY(ask_room(request, length));
  auto source = TRY(backing_of(from, false));
  return copy_into(request, *source, from_offset, to, to_offset, length);
}

/// How much of the range is here and can be copied now.
Result<std::size_t> Engine::copyable(Request& request, OpenInode& from, std::uint64_t offset, std::size_t length) {
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, from.id));
  if (offset >= row.attributes.size) return std::size_t{0};
  Extent extent{offset, std::min<std::uint64_t>(offset + length, row.attributes.size)};
  TRY(load_view(lock, from, row));
  if (!from.view.valid(extent)) TRY(reload_view(lock, from, row));
  std::vector<Extent> missing = from.view.valid_set().missing(extent);
  if (missing.empty()) return extent.length();
  if (missing.front().begin > offset) return missing.front().begin - offset;
  return lacks(request, Need::Kind::kContent, from.id, {missing.front().begin, missing.back().end});
}

Result<std::size_t> Engine::copy_into(Request& request, BackingFile& source, std::uint64_t from_offset,
                                      const std::shared_ptr<OpenInode>& to, std::uint64_t to_offset,
                                      std::size_t length) {
  ContentChange change(*this, to);
  TRY(change.begin(request));
  change.takes_privileges(request, request.uid == 0);
  TRY(disk_.fault("filesystem.copy", {}));
  auto done = copy_bytes(source.file(), from_offset, change.file().file(), to_offset, length);
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, to->id));
  if (!done.ok()) {
    change.record_failure(lock, {to_offset, to_offset + length});
    return std::move(done).error();
  }
  if (*done == 0) return std::size_t{0};
  TRY(change.record(lock, row, {to_offset, to_offset + *done}, std::max(row.attributes.size, to_offset + *done)));
  return *done;
}

}  // namespace skymoor::client
