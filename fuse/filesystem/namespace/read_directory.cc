#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<std::vector<DirectoryEntry>> Engine::read_directory(Request& request, InodeId directory, std::uint64_t after,
                                                           std::size_t limit, bool plus) {
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, directory));
  if (row.attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "not a directory");
  if (row.links == 0) return std::vector<DirectoryEntry>();   // removed, but still open
  auto listed = store_.list(lock, directory, after, limit, plus);
  if (!listed.ok()) {
    if (listed.error().code() == Code::kNotPresent) return lacks(request, Need::Kind::kDirectory, directory);
    return std::move(listed).error();
  }
  if (after == 0) note_access(lock, directory);
  std::vector<DirectoryEntry> entries;
  std::vector<std::size_t> watched;
  entries.reserve(listed->size());
  for (DentryRow& dentry : *listed) {
    DirectoryEntry& entry = entries.emplace_back();
    entry.name = std::move(dentry.name);
    entry.cookie = dentry.cookie;
    entry.node.id = dentry.inode;
    entry.node.attributes.type = dentry.type;
    entry.node.links = 0;
    if (!plus) continue;
    auto inode = store_.inode(lock, dentry.inode);
    if (inode.ok()) entry.node = node_of(lock, *inode);
    auto open = open_.find(dentry.inode);
    if (open != open_.end() && open->second->watched.load(std::memory_order_acquire))
      watched.push_back(entries.size() - 1);
  }
  lock.unlock();
  TRY(refresh_watched(request, entries, watched));
  return entries;
}

Status Engine::refresh_watched(Request& request, std::vector<DirectoryEntry>& entries,
                               const std::vector<std::size_t>& watched) {
  for (std::size_t at : watched) {
    auto node = get_attributes(request, entries[at].node.id);
    if (node.ok()) entries[at].node = std::move(node).value();
    else if (node.error().code() != Code::kStale) return std::move(node).error();
  }
  return {};
}

}  // namespace skymoor::client
