// The process before is gone, its mount is not: the kernel still has files open, and writes to some of them by itself.
#include <unordered_set>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {

/// Before the first request. What the kernel wrote past everybody is compared with the records, and goes on being watched:
/// the file must not change hands with the moment of the takeover, because its writers do not stop for it.
Status Engine::take_over(const std::vector<OpenBefore>& before) {
  trust_no_pages_ = true;   // what changed elsewhere in the last moments may not have been told to the kernel
  for (InodeId inode : backing_.unseen_inodes()) TRY(go_on_watching(inode));
  TRY(recover_vouching());
  std::size_t lost = 0;
  for (const OpenBefore& open : before)
    if (Status restored = restore_handle(open); !restored.ok()) {
      ++lost;
      log_warn("filesystem.handle.lost", {{"inode", open.inode.value}, {"error", restored.error()}});
    }
  {
    MutexLock lock(store_.mutex());
    handles_.end_restore(static_cast<std::uint32_t>(clock_.now().time_since_epoch().count() >> 10));   // about microseconds
  }
  log_info("filesystem.taken_over", {{"open_files", before.size() - lost}, {"lost", lost}});
  settle_unseen(Look::kSigned);
  return {};
}

/// As `watch` left it: the record has the time and size that the file was stamped with.
Status Engine::go_on_watching(InodeId id) {
  auto file = backing_.open_file(id, false);
  if (!file.ok() && file.error().code() != Code::kNotFound) return std::move(file).error();
  MutexLock lock(store_.mutex());
  auto row = store_.inode(lock, id);
  if (!file.ok() || !row.ok()) {
    lock.unlock();
    return backing_.set_unseen(id, false);
  }
  // It was here, all of it, when it was opened for writing; that it had been fetched need not have been noted for good.
  if (row->attributes.size != 0) TRY(store_.note_content(lock, id, {0, row->attributes.size}, true));
  auto inode = std::make_shared<OpenInode>(id);
  inode->unseen = {row->attributes.mtime, row->attributes.size};
  inode->blind_since = clock_.monotonic();   // when it was stamped nobody knows any more
  inode->unseen_file = *file;
  inode->watched.store(true, std::memory_order_release);
  lingering_[id] = std::move(inode);
  return {};
}

Status Engine::restore_handle(const OpenBefore& before) {
  std::shared_ptr<OpenInode> inode;
  {
    MutexLock lock(store_.mutex());
    auto row = store_.inode(lock, before.inode);
    if (!row.ok()) return std::move(row).error();
    inode = enter(lock, before.inode);
    if (before.unnamed && row->links == 0) inode->unnamed = true;
    if (before.failed) inode->failed = Error(Code::kIo, "a sync failed before the mount was taken over");
    Handle handle{.inode = inode,
                  .read = before.read,
                  .write = before.write,
                  .append = before.append,
                  .sync = before.sync,
                  .passthrough = before.passthrough};
    if (!handles_.restore(before.handle, std::move(handle))) {
      leave(lock, inode);
      return Error(Code::kBadHandle, "not a handle of this table");
    }
    inode->mode = before.passthrough ? IoMode::kPassthrough : IoMode::kCached;
    ++inode->handles;
    if (before.write) ++(before.passthrough ? inode->unseen_writers : inode->cached_writers);
    if (Status loaded = load_view(lock, *inode, *row); !loaded.ok()) return loaded;
  }
  auto file = backing_of(inode, before.passthrough);
  return file.ok() || file.error().code() == Code::kNotFound ? Status() : Status(std::move(file).error());
}

}  // namespace skymoor::client
