// Files that change hands: a conflict copy takes over what a program wrote.
#include <sys/stat.h>

#include "fuse/cache/disk_backing_store.h"
#include "shared/base/log.h"

namespace skymoor::client {

/// Errors: Io, while a file lies under a name that means another's.
Status DiskBackingStore::check_moved(const MutexLock&, InodeId inode) const {
  if (leaving_.empty() || (!leaving_.contains(inode) && !coming_.contains(inode))) return {};
  return Error(Code::kIo, "a conflict copy could not be moved to its place yet (the log says why)");
}

/// The descriptor's part: who has the file open has `to`'s from here on.
void DiskBackingStore::hand_over(const MutexLock& lock, InodeId from, InodeId to) {
  detach(lock, to);
  auto it = open_.find(from);
  if (it == open_.end()) return;
  Descriptor descriptor = it->second;
  *descriptor.place = to;
  descriptor.file->give_to(to);
  open_.erase(it);
  open_[to] = std::move(descriptor);
}

/// What must be remembered of the file is, under both names, before the rename, and under the new one alone after it.
Status DiskBackingStore::make_move(const MutexLock& lock, InodeId from, InodeId to) {
  auto entry = locate(lock, from);
  log_debug("cache.move", {{"from", from.value}, {"to", to.value}, {"exists", entry.has_value()}});
  if (!entry) return {};
  if (unseen_->contains(from)) TRY(unseen_->set(to, true));
  if (vouching_->contains(from)) {
    TRY(vouching_->set(to, true));
    TRY(vouching_->sync());
  }
  TRY(unlink_file(lock, to));
  TRY(disk_.rename(path_of(from, entry->dirty), path_of(to, entry->dirty)));
  ++moves_;
  drop_entry(lock, from);
  entry->inode = to;
  entry->directory_unsynced = true;
  set_entry(lock, *entry);
  return {};
}

/// From the first step that failed until the last one worked both names are kept from everybody.
Status DiskBackingStore::try_move(const MutexLock& lock, InodeId from, InodeId to) {
  leaving_[from] = to;
  coming_[to] = from;
  TRY(make_move(lock, from, to));
  TRY(unseen_->set(from, false));
  if (vouching_->contains(from)) {
    TRY(vouching_->set(from, false));
    TRY(vouching_->sync());
  }
  leaving_.erase(from);
  coming_.erase(to);
  return {};
}

Status DiskBackingStore::move(InodeId from, InodeId to) {
  MutexLock lock(mutex_);
  wait_settled(lock, from);
  wait_settled(lock, to);
  if (from == to) return {};
  TRY(check_moved(lock, from));
  const bool taken = leaving_.contains(to);   // what lies there is another's still
  Status moved = taken ? check_moved(lock, to) : try_move(lock, from, to);
  if (taken) {
    leaving_[from] = to;
    coming_[to] = from;
  }
  hand_over(lock, from, to);
  return moved;
}

Status DiskBackingStore::move_again(InodeId from, InodeId to) {
  MutexLock lock(mutex_);
  const auto unmoved = leaving_.find(from);
  if (unmoved == leaving_.end() || unmoved->second != to) return {};
  if (leaving_.contains(to)) return check_moved(lock, to);
  return try_move(lock, from, to);
}

/// The file that was to come here goes, from where it lies.
Status DiskBackingStore::remove_unmoved(const MutexLock& lock, InodeId inode) {
  const auto unmoved = coming_.find(inode);
  if (unmoved == coming_.end()) return {};
  const InodeId from = unmoved->second;
  TRY(unlink_file(lock, from));
  TRY(unseen_->set(from, false));
  detach(lock, inode);
  leaving_.erase(from);
  coming_.erase(unmoved);
  return {};
}

Result<std::uint64_t> DiskBackingStore::identity(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  const auto entry = locate(lock, inode);
  struct stat st;
  if (!entry) return std::uint64_t{0};
  const std::string path = path_of(inode, entry->dirty);
  if (::stat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return std::uint64_t{0};
    return Error::from_errno(errno, "look at " + path);
  }
  return std::uint64_t{st.st_ino};
}

}  // namespace skymoor::client
