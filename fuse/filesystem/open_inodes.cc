// Entering and leaving the table of open inodes, and keeping an inode's view of its content right.
#include <sys/stat.h>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {

std::shared_ptr<OpenInode> Engine::enter(const MutexLock&, InodeId inode) {
  std::shared_ptr<OpenInode>& slot = open_[inode];
  if (!slot) {
    // One whose mapping may outlive its handles comes back as it was.
    auto it = lingering_.find(inode);
    slot = it != lingering_.end() ? it->second : std::make_shared<OpenInode>(inode);
  }
  ++slot->users;
  return slot;
}

void Engine::leave(const MutexLock& lock, const std::shared_ptr<OpenInode>& inode) {
  if (--inode->users != 0) return;
  if (inode->file && inode->file->serves(inode->id)) {
    if (auto row = store_.inode(lock, inode->id); row.ok()) note_allocated(lock, *row, *inode->file);
  }
  open_.erase(inode->id);
}

Result<Handle*> Engine::handle_of(const MutexLock&, HandleId id) {
  Handle* handle = handles_.find(id);
  if (!handle) return Error(Code::kBadHandle, "no such handle");
  return handle;
}

Status Engine::load_view(const MutexLock& lock, OpenInode& inode, const InodeRow& row) {
  if (inode.view.loaded_for(row)) return {};
  return reload_view(lock, inode, row);
}

Status Engine::reload_view(const MutexLock& lock, OpenInode& inode, const InodeRow& row) {
  if (!inode.view.loaded_for(row)) inode.trim_wanted = true;
  inode.view.load(row, TRY(store_.content(lock, inode.id)));
  // Removed, or on its way to a conflict copy: what is in it says nothing of this inode.
  if (inode.file && !inode.file->serves(inode.id)) inode.file.reset();
  if (!inode.file) return {};
  return adopt_backing(lock, inode, inode.file);
}

/// Compares the backing file with the tables: a wiped cache or a power cut may have taken bytes that they count on.
Status Engine::adopt_backing(const MutexLock& lock, OpenInode& inode, std::shared_ptr<BackingFile> file) {
  struct stat st;
  if (::fstat(file->fd(), &st) != 0) return Error::from_errno(errno, "stat backing file");
  inode.file = std::move(file);
  auto row = store_.inode(lock, inode.id);
  if (!row.ok()) return {};
  if (!inode.view.loaded_for(*row)) {
    inode.view.load(*row, TRY(store_.content(lock, inode.id)));
    inode.trim_wanted = true;
  }
  auto size = static_cast<std::uint64_t>(st.st_size);
  if (inode.watched.load(std::memory_order_relaxed)) return {};   // settle compares the two
  if (size < row->attributes.size && !inode.view.valid_set().present({size, row->attributes.size}).empty())
    note_lost(lock, inode, *row, size);
  return {};
}

/// The backing file ends before bytes that should be in it. Clean ones are fetched again. Dirty ones were never synced
/// (a sync makes both file and record durable): they read as zeros, as on any local filesystem after a power cut.
void Engine::note_lost(const MutexLock& lock, OpenInode& inode, const InodeRow& row, std::uint64_t file_size) {
  auto content = store_.content(lock, inode.id);
  if (!content.ok()) return;
  Extent gone{file_size, row.attributes.size};
  std::uint64_t dirty_end = 0;
  for (const Extent& part : content->valid.present(gone))
    for (const Extent& clean : content->dirty.missing(part)) {
      if (Status noted = store_.note_content(lock, inode.id, clean, false); !noted.ok())
        log_warn("filesystem.loss.not_noted", {{"inode", inode.id.load().value}, {"error", noted.error()}});
      inode.view.lost(clean);
      log_warn("filesystem.content.lost", {{"inode", inode.id.load().value}, {"bytes", clean.length()}});
    }
  for (const Extent& part : content->dirty.present(gone)) dirty_end = part.end;
  if (dirty_end <= file_size || !inode.file) return;
  log_error("filesystem.dirty.lost", {{"inode", inode.id.load().value}, {"from", file_size}, {"to", dirty_end}});
  (void)inode.file->file().truncate(dirty_end);
}

Result<std::shared_ptr<BackingFile>> Engine::backing_of(const std::shared_ptr<OpenInode>& inode, bool create) {
  {
    MutexLock lock(store_.mutex());
    wait_for_file(lock, *inode);
    if (inode->file && inode->file->serves(inode->id)) return inode->file;
    inode->file.reset();   // removed
  }
  auto file = backing_.open_file(inode->id, create);
  MutexLock lock(store_.mutex());
  if (file.ok()) {
    TRY(adopt_backing(lock, *inode, *file));
    return file;
  }
  if (file.error().code() != Code::kNotFound) return file;
  // Nothing is there: what the tables believed to be clean and here must be fetched again.
  auto row = store_.inode(lock, inode->id);
  if (row.ok()) note_lost(lock, *inode, *row, 0);
  return file;
}

}  // namespace skymoor::client
