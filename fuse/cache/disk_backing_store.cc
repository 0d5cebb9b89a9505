#include "fuse/cache/disk_backing_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"

namespace skymoor::client {
namespace {

std::uint64_t allocated_bytes_of(BackingFile& file) {
  struct stat st;
  if (file.fd() >= 0 && ::fstat(file.fd(), &st) == 0) return static_cast<std::uint64_t>(st.st_blocks) * 512;
  return file.file().size().value_or(0);
}

}  // namespace

// ---- The tables ----

void DiskBackingStore::wait_settled(MutexLock& lock, InodeId inode) {
  while (going_.count(inode) != 0) settled_.wait(lock);
}

std::optional<FileEntry> DiskBackingStore::locate(const MutexLock& lock, InodeId inode) {
  if (auto entry = table_.find(inode)) return entry;
  if (swept_ || has_no_name(inode)) return std::nullopt;
  // The sweep has not come by yet: ask the disk. A file that a crash left in both places counts where it is dirty.
  for (bool dirty : {true, false}) {
    struct stat st;
    if (::stat(path_of(inode, dirty).c_str(), &st) != 0) continue;
    FileEntry entry{inode, static_cast<std::uint64_t>(st.st_blocks) * 512, dirty, dirty, tick_};
    set_entry(lock, entry);
    return entry;
  }
  return std::nullopt;
}

void DiskBackingStore::count(const FileEntry& entry, bool add) {
  std::atomic<std::uint64_t>& total = entry.dirty ? dirty_bytes_ : clean_bytes_;
  total += add ? entry.allocated_bytes : 0 - entry.allocated_bytes;
}

void DiskBackingStore::set_entry(const MutexLock&, const FileEntry& entry) {
  if (auto old = table_.find(entry.inode)) count(*old, false);
  table_.put(entry);
  count(*table_.find(entry.inode), true);
}

void DiskBackingStore::drop_entry(const MutexLock&, InodeId inode) {
  if (auto old = table_.find(inode)) count(*old, false);
  table_.erase(inode);
  if (!swept_) gone_.insert(inode);
}

void DiskBackingStore::refresh(const MutexLock& lock, InodeId inode, BackingFile& file) {
  auto entry = table_.find(inode);
  if (!entry) return;
  entry->allocated_bytes = allocated_bytes_of(file);
  set_entry(lock, *entry);
}

void DiskBackingStore::refresh_open(const MutexLock& lock) {
  for (auto& [inode, descriptor] : open_) refresh(lock, inode, *descriptor.file);
}

// ---- Descriptors ----

void DiskBackingStore::close_unused(const MutexLock& lock, std::size_t keep) {
  auto place = recent_.end();
  while (open_.size() > keep && place != recent_.begin()) {
    --place;
    InodeId inode = *place;
    auto it = open_.find(inode);
    if (it->second.file.use_count() > 1) continue;
    refresh(lock, inode, *it->second.file);
    open_.erase(it);
    place = recent_.erase(place);
  }
}

std::shared_ptr<BackingFile> DiskBackingStore::remember(const MutexLock& lock, InodeId inode,
                                                        std::unique_ptr<File> file) {
  // In batches, so that a table full of files in use is not walked for each new one.
  if (open_.size() >= options_.max_open + options_.max_open / 8 + 1) close_unused(lock, options_.max_open);
  auto shared = std::make_shared<BackingFile>(inode, std::move(file));
  recent_.push_front(inode);
  open_[inode] = {shared, recent_.begin()};
  return shared;
}

Result<std::unique_ptr<File>> DiskBackingStore::open_path(const MutexLock& lock, const std::string& path, bool create) {
  auto file = disk_.open(path, {.create = create});
  if (file.ok() || file.error().system_errno() != EMFILE) return file;
  close_unused(lock, 0);
  return disk_.open(path, {.create = create});
}

Result<std::shared_ptr<BackingFile>> DiskBackingStore::open_locked(const MutexLock& lock, InodeId inode, bool create) {
  auto it = open_.find(inode);
  if (it != open_.end()) {
    recent_.splice(recent_.begin(), recent_, it->second.place);
    return it->second.file;
  }
  if (auto entry = locate(lock, inode)) {
    auto file = open_path(lock, path_of(inode, entry->dirty), false);
    if (file.ok()) return remember(lock, inode, std::move(file).value());
    if (file.error().code() != Code::kNotFound) return std::move(file).error();
    log_warn("cache.file.vanished", {{"inode", inode.value}, {"dirty", entry->dirty}});
    drop_entry(lock, inode);
  }
  TRY(check_name(inode));
  if (!create) return Error(Code::kNotFound, "no backing file");
  if (stale_marks_.contains(inode)) TRY(clear_marks(inode));
  stale_marks_.erase(inode);
  auto file = TRY(open_path(lock, path_of(inode, true), true));
  needs_sync(lock, inode);
  set_entry(lock, {inode, 0, true, true, tick_});
  return remember(lock, inode, std::move(file));
}

Result<std::shared_ptr<BackingFile>> DiskBackingStore::open_file(InodeId inode, bool create) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  auto file = TRY(open_locked(lock, inode, create));
  table_.use(inode, ++tick_);
  return file;
}

// ---- Names ----

Status DiskBackingStore::make_dirty(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  auto entry = locate(lock, inode);
  if (entry && entry->dirty) return {};
  if (!entry) {
    TRY(open_locked(lock, inode, true));
    return {};
  }
  Status moved = move_to(lock, inode, true);
  if (!moved.ok() && moved.error().code() == Code::kNotFound) {
    log_warn("cache.file.vanished", {{"inode", inode.value}, {"dirty", false}});
    drop_entry(lock, inode);
    detach(lock, inode);
    TRY(open_locked(lock, inode, true));
    return {};
  }
  TRY(std::move(moved));
  needs_sync(lock, inode);
  entry->dirty = entry->directory_unsynced = true;
  if (auto it = open_.find(inode); it != open_.end()) entry->allocated_bytes = allocated_bytes_of(*it->second.file);
  set_entry(lock, *entry);
  return {};
}

Status DiskBackingStore::make_clean(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  auto entry = locate(lock, inode);
  if (!entry || !entry->dirty || unseen_->contains(name_of(inode))) return {};
  TRY(move_to(lock, inode, false));
  entry->dirty = entry->directory_unsynced = false;
  if (auto it = open_.find(inode); it != open_.end()) entry->allocated_bytes = allocated_bytes_of(*it->second.file);
  set_entry(lock, *entry);
  return {};
}

/// Who has the file open has one that is nobody's.
void DiskBackingStore::detach(const MutexLock&, InodeId inode) {
  auto it = open_.find(inode);
  if (it == open_.end()) return;
  it->second.file->detach();
  recent_.erase(it->second.place);
  open_.erase(it);
}

Status DiskBackingStore::remove_locked(const MutexLock& lock, InodeId inode) {
  auto entry = locate(lock, inode);
  if (!entry) return {};
  log_debug("cache.remove", {{"inode", inode.value}, {"dirty", entry->dirty}});
  Status removed = disk_.unlink(path_of(inode, entry->dirty));
  if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
  drop_entry(lock, inode);
  detach(lock, inode);
  return {};
}

Status DiskBackingStore::remove(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  if (has_no_name(inode)) return {};
  TRY(remove_locked(lock, inode));
  const InodeId name = name_of(inode);
  if (name != inode && !taken_.contains(inode)) TRY(unlink_name(inode));   // what the move was to replace
  TRY(vouching_->set(name, false));   // not synced: ids are never used again
  TRY(unseen_->set(name, false));
  forget_name(inode);
  return {};
}

bool DiskBackingStore::exists(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  return locate(lock, inode).has_value();
}

// ---- Durability ----

Status DiskBackingStore::sync(InodeId inode) {
  std::shared_ptr<BackingFile> file;
  std::string shard;
  std::uint64_t moves;
  {
    MutexLock lock(mutex_);
    wait_settled(lock, inode);
    auto entry = locate(lock, inode);
    if (!entry) return {};
    auto opened = open_locked(lock, inode, false);
    if (!opened.ok()) return opened.error().code() == Code::kNotFound ? Status{} : Status(std::move(opened).error());
    file = std::move(opened).value();
    if (entry->directory_unsynced) shard = shard_of(inode, entry->dirty);
    moves = moves_;
  }
  TRY(file->file().sync());
  if (!shard.empty()) TRY(disk_.sync_directory(shard));
  MutexLock lock(mutex_);
  refresh(lock, inode, *file);
  auto entry = table_.find(inode);
  // Moved again meanwhile, perhaps this file: then the flag stays, at the price of one more directory sync.
  if (entry && !shard.empty() && moves_ == moves) {
    entry->directory_unsynced = false;
    set_entry(lock, *entry);
  }
  return {};
}

/// By a descriptor of its own: an error that it meets is told again to those who have the file open.
Result<bool> DiskBackingStore::sync_unsynced(InodeId inode) {
  std::string path, shard;
  std::uint64_t turn;
  {
    MutexLock lock(mutex_);
    const auto entry = table_.find(inode);
    if (!entry || !entry->dirty || !entry->directory_unsynced) return false;
    turn = ++sync_turn_;
    path = path_of(inode, true);
    shard = shard_of(inode, true);
    being_synced_ = inode;
  }
  const auto file = disk_.open(path, {.read_only = true});
  if (!file.ok() && file.error().code() == Code::kNotFound) return false;
  if (!file.ok()) return file.error();
  TRY((*file)->sync());
  TRY(disk_.sync_directory(shard));
  MutexLock lock(mutex_);
  auto entry = table_.find(inode);
  if (!entry || being_synced_ != inode || sync_turn_ != turn) return true;   // may need it once more
  entry->directory_unsynced = false;
  set_entry(lock, *entry);
  return true;
}

/// A sync that is under way may have come too early for what is in the file, or for its name.
void DiskBackingStore::needs_sync(const MutexLock&, InodeId inode) {
  ++moves_;
  if (being_synced_ == inode) being_synced_ = {};
}

void DiskBackingStore::note_fetched(InodeId inode) {
  MutexLock lock(mutex_);
  auto entry = table_.find(inode);
  if (!entry || !entry->dirty) return;   // what is clean becomes unsynced with make_dirty
  needs_sync(lock, inode);
  entry->directory_unsynced = true;
  set_entry(lock, *entry);
}

Status DiskBackingStore::sync_all() {
  TRY(disk_.fault("backing.sync_all", options_.data_directory));
  if (::syncfs(data_root_.get()) != 0) return Error::from_errno(errno, "sync " + options_.data_directory);
  return {};
}

void DiskBackingStore::touch(InodeId inode) {
  MutexLock lock(mutex_);
  table_.use(inode, ++tick_);
}

Result<std::uint64_t> DiskBackingStore::free_bytes() { return disk_.free_bytes(options_.data_directory); }

// ---- Unseen writes ----

Status DiskBackingStore::set_unseen(InodeId inode, bool on) {
  MutexLock lock(mutex_);
  TRY(check_name(inode));
  return unseen_->set(name_of(inode), on);
}

bool DiskBackingStore::unseen(InodeId inode) {
  MutexLock lock(mutex_);
  return !has_no_name(inode) && unseen_->contains(name_of(inode));
}

bool DiskBackingStore::has_writers(InodeId inode) {
  MutexLock lock(mutex_);
  wait_settled(lock, inode);
  if (auto it = open_.find(inode); it != open_.end()) {
    if (it->second.file.use_count() > 1) return true;
    refresh(lock, inode, *it->second.file);
    recent_.erase(it->second.place);
    open_.erase(it);
  }
  auto entry = locate(lock, inode);
  if (!entry) return false;
  UniqueFd fd(::open(path_of(inode, entry->dirty).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  // Should somebody break the lease in this moment, its signal is one that nobody minds (SIGIO would end the process).
  (void)::fcntl(fd.get(), F_SETSIG, SIGURG);
  // A read lease is refused while somebody has the file open for writing. Where there are no leases, nobody can tell.
  if (::fcntl(fd.get(), F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  (void)::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
  return false;
}

std::vector<InodeId> DiskBackingStore::unseen_inodes() {
  MutexLock lock(mutex_);
  return unseen_->all();
}

Status DiskBackingStore::set_vouching(InodeId inode, bool on) {
  UnseenList* list;
  InodeId name;
  {
    MutexLock lock(mutex_);
    TRY(check_name(inode));
    list = vouching_.get();
    name = name_of(inode);
    TRY(list->set(name, on));
  }
  Status synced = list->sync();
  if (synced.ok() || on) return synced;
  MutexLock lock(mutex_);
  (void)list->set(name, true);   // on the disk it may still be
  return synced;
}

bool DiskBackingStore::vouching(InodeId inode) {
  MutexLock lock(mutex_);
  return !has_no_name(inode) && vouching_->contains(name_of(inode));
}

std::vector<InodeId> DiskBackingStore::vouching_inodes() {
  MutexLock lock(mutex_);
  return vouching_->all();
}

}  // namespace skymoor::client
