// DiskBackingStore: BackingStore over two directory trees.
#pragma once
#include <atomic>
#include <list>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "fuse/cache/backing_store.h"
#include "fuse/cache/file_table.h"
#include "fuse/cache/unseen_list.h"

namespace skymoor::client {

/// Role: names, counts, opens and evicts backing files. Thread-safe: one mutex over the tables and the names on the
/// disk; data, fsync and the judge's questions happen outside it. Owns descriptors until the last user and the
/// descriptor cache are done with them. Failure: a step that fails leaves table and disk agreeing; a file that somebody
/// wiped from the cache directory is noticed when it is opened next.
///
/// States of a file:   (none) --open_file(create), make_dirty--> dirty --make_clean--> clean --evict--> (none)
///                      dirty <--make_dirty-- clean;   any --remove--> (none)
/// A file that was handed over, and could not be renamed, lies under the name of another inode, which has none meanwhile.
/// While the judge is asked about a clean file it is `going`: open_file, make_dirty and remove wait for the answer.
class DiskBackingStore final : public BackingStore {
 public:
  DiskBackingStore(Disk& disk, Options options) : options_(std::move(options)), disk_(disk) {}
  Status start();

  Result<std::shared_ptr<BackingFile>> open_file(InodeId inode, bool create) override;
  Status make_dirty(InodeId inode) override;
  Status make_clean(InodeId inode) override;
  Status remove(InodeId inode) override;
  Status move(InodeId from, InodeId to) override;           ///< moves.cc
  Status hand_over(InodeId from, InodeId to) override;      ///< moves.cc
  Status finish_move(InodeId to) override;                  ///< moves.cc
  Result<std::uint64_t> identity(InodeId inode) override;   ///< moves.cc
  bool exists(InodeId inode) override;
  Result<std::unique_ptr<File>> open_unnamed() override;    ///< paths.cc
  Status sync(InodeId inode) override;
  Result<bool> sync_unsynced(InodeId inode) override;
  void note_fetched(InodeId inode) override;
  Status sync_all() override;
  void touch(InodeId inode) override;
  Result<std::uint64_t> free_bytes() override;
  Status set_unseen(InodeId inode, bool on) override;
  bool unseen(InodeId inode) override;
  bool has_writers(InodeId inode) override;
  std::vector<InodeId> unseen_inodes() override;
  Status set_vouching(InodeId inode, bool on) override;
  bool vouching(InodeId inode) override;
  std::vector<InodeId> vouching_inodes() override;
  Usage usage() override;
  Result<std::uint64_t> evict(EvictionJudge& judge, std::uint64_t target_bytes) override;
  Status sweep(const std::function<bool(InodeId)>& known) override;

 private:
  struct Descriptor {
    std::shared_ptr<BackingFile> file;
    std::list<InodeId>::iterator place;  // in recent_
  };
  struct Swept {
    std::int64_t used_s = 0;
    FileEntry entry;
  };

  // paths.cc
  std::string root_of(bool dirty) const;                       // where files of that kind lie
  std::string path_under(InodeId name, bool dirty) const;
  std::string shard_under(InodeId name, bool dirty) const;
  std::string path_of(InodeId inode, bool dirty) const REQUIRES(mutex_);    // where its file lies
  std::string shard_of(InodeId inode, bool dirty) const REQUIRES(mutex_);
  Status make_shards(const std::string& root);
  Status move_to(const MutexLock&, InodeId inode, bool dirty) REQUIRES(mutex_);

  // Under mutex_.
  void wait_settled(MutexLock& lock, InodeId inode) REQUIRES(mutex_);
  std::optional<FileEntry> locate(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  void set_entry(const MutexLock&, const FileEntry& entry) REQUIRES(mutex_);
  void needs_sync(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  void drop_entry(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  void count(const FileEntry& entry, bool add) REQUIRES(mutex_);
  void refresh(const MutexLock&, InodeId inode, BackingFile& file) REQUIRES(mutex_);
  Result<std::shared_ptr<BackingFile>> open_locked(const MutexLock&, InodeId inode, bool create) REQUIRES(mutex_);
  std::shared_ptr<BackingFile> remember(const MutexLock&, InodeId inode, std::unique_ptr<File> file) REQUIRES(mutex_);
  Result<std::unique_ptr<File>> open_path(const MutexLock&, const std::string& path, bool create) REQUIRES(mutex_);
  void close_unused(const MutexLock&, std::size_t keep) REQUIRES(mutex_);
  void detach(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  Status remove_locked(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  void refresh_open(const MutexLock&) REQUIRES(mutex_);

  // moves.cc
  InodeId name_of(InodeId inode) const REQUIRES(mutex_);        // under which its file lies
  bool has_no_name(InodeId inode) const REQUIRES(mutex_);
  Status check_name(InodeId inode) const REQUIRES(mutex_);
  void give(const MutexLock&, FileEntry entry, InodeId to) REQUIRES(mutex_);
  Status take_name(const MutexLock&, InodeId inode) REQUIRES(mutex_);
  void forget_name(InodeId inode) REQUIRES(mutex_);
  Status unlink_name(InodeId name);
  Status clear_marks(InodeId name) REQUIRES(mutex_);

  // evict.cc
  std::vector<FileEntry> oldest(std::size_t limit, bool dirty);
  Result<std::uint64_t> try_evict(EvictionJudge& judge, InodeId inode);
  Result<std::uint64_t> evict_batch(EvictionJudge& judge, std::uint64_t wanted_bytes, bool& more);
  Result<std::uint64_t> evict_misfiled(EvictionJudge& judge, std::uint64_t wanted_bytes);

  // sweep.cc
  Status sweep_shard(bool dirty, unsigned shard, const std::function<bool(InodeId)>& known, std::vector<Swept>& found);
  void adopt(std::vector<Swept> found);

  // Constant after construction.
  const Options options_;
  Disk& disk_;
  UniqueFd data_root_, cache_root_;
  bool split_ = false;   // the two directories lie on different filesystems

  // Own synchronisation; changed under mutex_.
  std::atomic<std::uint64_t> clean_bytes_{0}, dirty_bytes_{0};

  // Guarded by mutex_.
  Mutex mutex_{40000, "cache.files"};
  CondVar settled_;
  FileTable table_ GUARDED_BY(mutex_);
  std::unordered_map<InodeId, Descriptor> open_ GUARDED_BY(mutex_);
  std::list<InodeId> recent_ GUARDED_BY(mutex_);   // most recently used first
  std::unordered_set<InodeId> going_ GUARDED_BY(mutex_);
  /// Moves that could not be made yet: whose files they are, by now, to the names under which they lie; and those names.
  std::unordered_map<InodeId, InodeId> lies_as_ GUARDED_BY(mutex_);
  std::unordered_set<InodeId> taken_ GUARDED_BY(mutex_);
  std::unordered_set<InodeId> stale_marks_ GUARDED_BY(mutex_);   // names with notes of a file that moved away
  std::unique_ptr<UnseenList> unseen_ GUARDED_BY(mutex_), vouching_ GUARDED_BY(mutex_);
  std::uint32_t tick_ GUARDED_BY(mutex_) = 1u << 30;
  std::uint64_t moves_ GUARDED_BY(mutex_) = 0;     // counts names that became unsynced
  InodeId being_synced_ GUARDED_BY(mutex_);        // by the newest sync_unsynced; 0: what is under way does not do
  std::uint64_t sync_turn_ GUARDED_BY(mutex_) = 0; // of that
  bool swept_ GUARDED_BY(mutex_) = false;
  std::unordered_set<InodeId> gone_ GUARDED_BY(mutex_);  // removed or moved away before the sweep was over
};

/// "…/3f/000001000000003f" -> the inode. Errors: InvalidArgument for a name we did not make.
Result<InodeId> inode_from_name(std::string_view name);

}  // namespace skymoor::client
