// Access times: moved by reading, kept here, never sent.
#include "fuse/filesystem/engine.h"

namespace skymoor::client {
namespace {

constexpr std::chrono::hours kOld{24};

/// Source: relatime_need_update in fs/inode.c; man 8 mount.
bool is_due(const Attributes& a, Timestamp now) {
  return a.atime <= a.mtime || a.atime <= a.ctime || now - a.atime >= kOld;
}

}  // namespace

bool Engine::note_access(const MutexLock& lock, InodeId inode) {
  if (options_.access_times == AccessTimes::kNever) return false;
  auto row = store_.inode(lock, inode);
  if (!row.ok()) return false;
  if (row->attributes.type == FileType::kDirectory && !options_.directory_access_times) return false;
  const Timestamp now = clock_.now();
  if (options_.access_times == AccessTimes::kRelative && !is_due(row->attributes, now)) return false;
  Status noted = store_.note_access_time(lock, inode, now);
  if (!noted.ok()) log_warn("filesystem.access_time.lost", {{"inode", inode.value}, {"error", noted.error()}});
  return noted.ok();
}

}  // namespace skymoor::client
