#include "backend-server/services/commit/working_tree.h"

namespace skymoor::server {

Result<WorkingInode*> WorkingTree::inode(InodeId id) {
  auto [at, is_new] = inodes_.try_emplace(id);
  WorkingInode& inode = at->second;
  if (!is_new) return &inode;
  auto row = names_.find_inode(volume_, id);
  if (!row.ok()) {
    inodes_.erase(at);
    return std::move(row).error();
  }
  inode.row.inode = id;
  if (*row) {
    inode.row = std::move(**row);
    inode.exists = true;
    inode.was_live = inode.row.live();
    inode.counted_bytes = inode.was_live ? inode.row.attributes.size : 0;
  }
  return &inode;
}

Result<WorkingSlot*> WorkingTree::slot(const SlotKey& key) {
  if (auto found = slots_.find(key); found != slots_.end()) return &found->second;
  WorkingSlot slot;
  slot.before = TRY(names_.find_slot(volume_, key.directory, key.token));
  slot.now = slot.before;
  return &slots_.emplace(key, std::move(slot)).first->second;
}

Result<bool> WorkingTree::is_empty(const WorkingInode& directory) const {
  if (directory.entries_added > 0) return false;
  // One stored entry more than the commit removed is one that stays.
  std::size_t vacated = directory.entries_vacated;
  return TRY(names_.list_tokens(volume_, directory.row.inode, vacated + 1)).size() <= vacated;
}

}  // namespace skymoor::server
