// Changing the size: part of set_attributes and of open with O_TRUNC.
#include "fuse/filesystem/file/content_change.h"

namespace skymoor::client {
namespace {

void add_field(Change& change, std::uint8_t field) {
  if (auto* intent = std::get_if<AttributeIntent>(&change.intent())) intent->fields |= field;
}

}  // namespace

Status Engine::truncate(Request& request, const std::shared_ptr<OpenInode>& inode, std::uint64_t size,
                        bool kill_suid_sgid) {
  if (size > kMaxFileBytes) return Error(Code::kFileTooLarge, "larger than the largest file");
  ContentChange change(*this, inode);
  TRY(size == 0 ? change.begin() : change.begin(request));
  change.takes_privileges(request, !kill_suid_sgid);
  std::uint64_t old_size;
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, inode->id));
    old_size = row.attributes.size;
    if (size == old_size && size != 0) return keep_size(lock, request, row, kill_suid_sgid);
  }
  // Growing: first the hole, then the record. Shrinking: first the record, so that a crash in between loses nothing
  // that the record does not speak of. A watched file is measured by the record: it comes last.
  const bool cut_first = size >= old_size || inode->watched.load(std::memory_order_acquire);
  if (cut_first && size != old_size) TRY(change.file().file().truncate(size));
  {
    MutexLock lock(store_.mutex());
    InodeRow row = TRY(row_of(lock, request, inode->id));
    if (!cut_first) inode->trim_wanted = true;
    TRY(change.record(lock, row, {size, size}, size));
  }
  if (cut_first) return {};
  // The record stands: a failure here only leaves bytes beyond the end, which the next change cuts off.
  if (change.file().file().truncate(size).ok()) {
    MutexLock lock(store_.mutex());
    inode->trim_wanted = false;
  }
  return {};
}

/// The size it has: the times move, the content stays what it is.
Status Engine::keep_size(const MutexLock& lock, Request& request, InodeRow row, bool kill_suid_sgid) {
  const std::uint32_t before = row.attributes.mode;
  Change change = begin_attributes(lock, row, kFieldMtime | kFieldCtime);
  const bool taken = TRY(take_privileges(lock, change, row, !kill_suid_sgid));
  if (row.attributes.mode != before) add_field(change, kFieldMode);
  row.attributes.mtime = row.attributes.ctime = change.time();
  const InodeId id = row.id;
  change.put(std::move(row));
  TRY(commit(lock, std::move(change)));
  if (taken) request.stale = id;
  return {};
}

}  // namespace skymoor::client
