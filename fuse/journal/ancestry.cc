#include "fuse/journal/ancestry.h"

namespace skymoor::client {
namespace {

constexpr int kMaxDepth = 4096;   // deeper than any path: ends a loop that a damaged table may have

bool directory_within(MetadataStore& store, const MutexLock& lock, InodeId directory,
                      const std::function<bool(InodeId)>& is_root) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (is_root(directory)) return true;
    if (directory == kRootInode) return false;
    auto row = store.inode(lock, directory);
    if (!row.ok() || row->parent == directory || !row->parent) return false;
    directory = row->parent;
  }
  return false;
}

}  // namespace

bool is_within(MetadataStore& store, const MutexLock& lock, InodeId inode,
               const std::function<bool(InodeId)>& is_root) {
  if (is_root(inode)) return true;
  auto row = store.inode(lock, inode);
  if (!row.ok()) return false;
  if (row->attributes.type == FileType::kDirectory) return directory_within(store, lock, inode, is_root);
  // Names of one directory are looked at once; a file with many names is rare.
  auto links = store.links(lock, inode);
  if (!links.ok()) return false;
  InodeId last;
  for (const DentryRow& link : *links) {
    if (link.directory == last) continue;
    last = link.directory;
    if (directory_within(store, lock, link.directory, is_root)) return true;
  }
  return false;
}

std::string path_of(MetadataStore& store, const MutexLock& lock, InodeId inode) {
  std::string path;
  for (int depth = 0; inode != kRootInode && depth < kMaxDepth; ++depth) {
    auto links = store.links(lock, inode);
    if (!links.ok() || links->empty()) return path.empty() ? path : ".../" + path;
    path = links->front().name + (path.empty() ? "" : "/" + path);
    inode = links->front().directory;
  }
  return path;
}

}  // namespace skymoor::client
