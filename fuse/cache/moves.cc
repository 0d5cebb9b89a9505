// Files that change hands: a conflict copy takes over what a program wrote. Where the disk refuses the rename the file is
// the copy's all the same, and lies under its old name until the move is made again: the name means nobody else meanwhile.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "fuse/cache/disk_backing_store.h"
#include "shared/base/log.h"

namespace skymoor::client {

InodeId DiskBackingStore::name_of(InodeId inode) const {
  if (lies_as_.empty()) return inode;
  auto it = lies_as_.find(inode);
  return it == lies_as_.end() ? inode : it->second;
}

bool DiskBackingStore::has_no_name(InodeId inode) const { return taken_.contains(inode) && !lies_as_.contains(inode); }

/// Errors: Io, while a file that is another's by now lies under the only name that this inode has.
Status DiskBackingStore::check_name(InodeId inode) const {
  if (!has_no_name(inode)) return {};
  return Error(Code::kIo, "a conflict copy that could not be moved lies in its place (the log says why)");
}

/// Who has the file open has `to`'s from here on.
void DiskBackingStore::give(const MutexLock& lock, FileEntry entry, InodeId to) {
  const InodeId from = entry.inode, name = name_of(from);
  drop_entry(lock, to);
  detach(lock, to);
  drop_entry(lock, from);
  entry.inode = to;
  entry.directory_unsynced = true;
  set_entry(lock, entry);
  lies_as_.erase(from);
  lies_as_[to] = name;
  taken_.insert(name);
  auto it = open_.find(from);
  if (it == open_.end()) return;
  Descriptor descriptor = it->second;
  *descriptor.place = to;
  descriptor.file->give_to(to);
  open_.erase(it);
  open_[to] = std::move(descriptor);
}

void DiskBackingStore::forget_name(InodeId inode) {
  auto it = lies_as_.find(inode);
  if (it == lies_as_.end()) return;
  taken_.erase(it->second);
  lies_as_.erase(it);
}

Status DiskBackingStore::unlink_name(InodeId name) {
  for (bool dirty : {true, false}) {
    Status removed = disk_.unlink(path_under(name, dirty));
    if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
  }
  return {};
}

/// Nothing is noted any more of a file that is gone from under the name.
Status DiskBackingStore::clear_marks(InodeId name) {
  TRY(unseen_->set(name, false));
  if (!vouching_->contains(name)) return {};
  TRY(vouching_->set(name, false));
  Status synced = vouching_->sync();
  if (!synced.ok()) (void)vouching_->set(name, true);   // on the disk it may still be
  return synced;
}

/// Brings a file that was handed over to its own name. What is noted of it is, under both names, before the rename.
Status DiskBackingStore::take_name(const MutexLock& lock, InodeId inode) {
  const InodeId name = name_of(inode);
  if (name == inode) return {};
  if (taken_.contains(inode)) return Error(Code::kIo, "another file lies in its place still");
  auto entry = locate(lock, inode);
  if (!entry) {
    forget_name(inode);   // somebody took it away
    return {};
  }
  TRY(unseen_->set(inode, unseen_->contains(name)));
  const bool vouching = vouching_->contains(name);
  if (vouching != vouching_->contains(inode)) TRY(vouching_->set(inode, vouching));
  if (vouching) TRY(vouching_->sync());
  TRY(unlink_name(inode));
  TRY(disk_.rename(path_under(name, entry->dirty), path_under(inode, entry->dirty)));
  needs_sync(lock, inode);
  forget_name(inode);
  entry->directory_unsynced = true;
  set_entry(lock, *entry);
  // Before another file can stand under the name: at the latest when one is made.
  if (Status cleared = clear_marks(name); !cleared.ok()) {
    log_warn("cache.move.marks_left", {{"inode", name.value}, {"why", cleared.error()}});
    stale_marks_.insert(name);
  }
  return {};
}

Status DiskBackingStore::hand_over(InodeId from, InodeId to) {
  MutexLock lock(mutex_);
  wait_settled(lock, from);
  wait_settled(lock, to);
  if (from == to) return {};
  auto entry = locate(lock, from);
  log_debug("cache.move", {{"from", from.value}, {"to", to.value}, {"exists", entry.has_value()}});
  if (!entry) return {};
  if (lies_as_.contains(to)) {
    TRY(remove_locked(lock, to));
    forget_name(to);
  }
  give(lock, *entry, to);
  return {};
}

Status DiskBackingStore::move(InodeId from, InodeId to) {
  TRY(hand_over(from, to));
  return finish_move(to);
}

Status DiskBackingStore::finish_move(InodeId to) {
  MutexLock lock(mutex_);
  wait_settled(lock, to);
  return take_name(lock, to);
}

Result<std::uint64_t> DiskBackingStore::identity(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  const auto entry = locate(lock, inode);
  if (!entry) return std::uint64_t{0};
  struct statx st = {};
  const std::string path = path_of(inode, entry->dirty);
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) != 0) {
    if (errno == ENOENT) return std::uint64_t{0};
    return Error::from_errno(errno, "look at " + path);
  }
  // The number of a file that is gone is given to the next one.
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15;
  std::uint64_t identity = st.stx_ino;
  if (st.stx_mask & STATX_BTIME)
    identity = (identity * kSpread ^ static_cast<std::uint64_t>(st.stx_btime.tv_sec)) * kSpread ^ st.stx_btime.tv_nsec;
  return std::max<std::uint64_t>(1, identity);
}

}  // namespace skymoor::client
