#include "fuse/filesystem/engine.h"

namespace skymoor::client {

Result<std::vector<DirectoryEntry>> Engine::read_directory(Request& request, InodeId directory, std::uint64_t after,
                                                           std::size_t limit, bool plus) {
  MutexLock lock(store_.mutex());
  InodeRow row = TRY(row_of(lock, request, directory));
  if (row.attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "not a directory");
  if (row.links == 0) return std::vector<DirectoryEntry>();   // removed, but still open
  auto listed = store_.list(lock, directory, after, limit);
  if (!listed.ok()) {
    if (listed.error().code() == Code::kNotPresent) return lacks(request, Need::Kind::kDirectory, directory);
    return std::move(listed).error();
  }
  std::vector<DirectoryEntry> entries;
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
  }
  return entries;
}

}  // namespace skymoor::client
