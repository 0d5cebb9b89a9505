// The sweep at start: counts what is there, in order of last use, and removes what belongs to nobody.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "fuse/cache/disk_backing_store.h"
#include "shared/base/log.h"

namespace skymoor::client {

/// One directory. Names that came into the table meanwhile are in use: they are left to whoever uses them.
Status DiskBackingStore::sweep_shard(bool dirty, unsigned shard, const std::function<bool(InodeId)>& known,
                                     std::vector<Swept>& found) {
  char name[4];
  std::snprintf(name, sizeof name, "/%02x", shard);
  std::string directory = root_of(dirty) + name;
  for (const std::string& file : TRY(disk_.list(directory))) {
    auto inode = inode_from_name(file);
    std::string path = directory + "/" + file;
    if (!inode.ok() || (inode->value & 0xff) != shard) {
      log_warn("cache.sweep.foreign", {{"path", path}});
      continue;
    }
    bool wanted = known(*inode);
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) continue;  // evicted or moved meanwhile
    if (wanted) {
      std::int64_t used_s = std::max<std::int64_t>(st.st_atim.tv_sec, st.st_mtim.tv_sec);
      bool counted_dirty = dirty && !split_;
      found.push_back({used_s, {*inode, static_cast<std::uint64_t>(st.st_blocks) * 512, counted_dirty, dirty, 0}});
      continue;
    }
    MutexLock lock(mutex_);
    if (table_.find(*inode) || taken_.contains(*inode)) continue;
    TRY(disk_.unlink(path));
    TRY(unseen_->set(*inode, false));
    log_info("cache.sweep.removed", {{"path", path}});
  }
  return {};
}

/// Enters what was found, least recently used first, all older than anything used since the start.
void DiskBackingStore::adopt(std::vector<Swept> found) {
  std::sort(found.begin(), found.end(), [](const Swept& a, const Swept& b) { return a.used_s < b.used_s; });
  std::uint32_t tick = 0;
  MutexLock lock(mutex_);
  for (Swept& swept : found) {
    swept.entry.last_use = ++tick;
    if (!table_.find(swept.entry.inode) && gone_.count(swept.entry.inode) == 0) set_entry(lock, swept.entry);
  }
  swept_ = true;
  gone_.clear();
}

Status DiskBackingStore::sweep(const std::function<bool(InodeId)>& known) {
  std::vector<Swept> found;
  for (unsigned shard = 0; shard < 256; ++shard) {
    TRY(sweep_shard(true, shard, known, found));
    if (!split_) TRY(sweep_shard(false, shard, known, found));
  }
  adopt(std::move(found));
  return {};
}

}  // namespace skymoor::client
