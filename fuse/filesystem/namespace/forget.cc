#include "fuse/filesystem/engine.h"

namespace skymoor::client {

void Engine::forget(InodeId inode) {
  {
    MutexLock lock(store_.mutex());
    if (orphans_.count(inode) == 0) return;
    auto it = open_.find(inode);
    if (it != open_.end() && it->second->handles != 0) {
      it->second->forgotten = true;
      return;
    }
    auto row = store_.inode(lock, inode);
    // Another device's change may still give it a name. Once the server knows that it is gone, tree_changed tells.
    if (row.ok() && row->links == 0 && store_.may_come_back(lock, *row)) return;
    orphans_.erase(inode);
    allocated_.erase(inode);
    if (row.ok()) {
      if (row->links != 0) return;   // it came back: a conflict or another device gave it a name
      Change change = store_.begin(lock, LocalIntent{});
      change.erase_inode(inode);
      if (Status done = commit(lock, std::move(change)); !done.ok()) {
        // It stays an orphan; the next start removes it.
        log_warn("filesystem.orphan.kept", {{"inode", inode.value}, {"error", done.error()}});
        return;
      }
    }
  }
  Status removed = backing_.remove(inode);
  if (!removed.ok()) log_warn("filesystem.orphan.file_kept", {{"inode", inode.value}, {"error", removed.error()}});
}

}  // namespace skymoor::client
