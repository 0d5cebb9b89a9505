// What recovery needs of the backing files.
#pragma once
#include "fuse/cache/backing_store.h"
#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

/// Writes logged file data back into backing files, and makes them durable before the log forgets it. Thread-safe.
class BackingReplay final : public DataReplay {
 public:
  explicit BackingReplay(BackingStore& backing) : backing_(backing) {}
  Status replay(InodeId inode, std::uint64_t offset, ByteView bytes) override {
    return TRY(backing_.open_file(inode, true))->file().write_at(offset, bytes);
  }
  Status make_durable(const std::vector<InodeId>& inodes) override {
    for (InodeId inode : inodes)
      if (Status synced = backing_.sync(inode); !synced.ok() && synced.error().code() != Code::kNotFound) return synced;
    return {};
  }
  Status sync_changed(const std::vector<InodeId>& inodes) override {
    constexpr std::size_t kSyncedOneByOne = 256;
    std::size_t synced = 0;
    Status all;
    for (InodeId inode : inodes) {
      if (!inode || synced == kSyncedOneByOne) return backing_.sync_all();
      auto one = backing_.sync_unsynced(inode);
      if (one.ok()) synced += *one;
      else if (all.ok()) all = std::move(one).error();
    }
    return all;
  }

 private:
  BackingStore& backing_;
};

/// Whether a backing file has an inode. In doubt it has: only a file that certainly belongs to nothing may go.
inline bool is_known(MetadataStore& store, InodeId inode) {
  MutexLock lock(store.mutex());
  auto row = store.inode(lock, inode);
  return row.ok() || store.may_be_named(inode) || (row.error().code() != Code::kNotFound && row.error().code() != Code::kNotPresent);
}

}  // namespace skymoor::client
