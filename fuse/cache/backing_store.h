// Backing files: one sparse file per cached inode, dirty ones in the state directory, clean ones in the cache
// directory.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "shared/base/file.h"
#include "shared/base/ids.h"
#include "shared/base/mutex.h"
#include "shared/model/extents.h"

namespace skymoor::client {

/// One open backing file. Shared by everyone who uses the inode; closes with the last user. Thread-safe.
class BackingFile {
 public:
  BackingFile(InodeId inode, std::unique_ptr<File> file) : inode_(inode.value), file_(std::move(file)) {}
  /// Whose content this is; changes when a conflict copy takes it over (BackingStore::move).
  InodeId inode() const { return InodeId{inode_.load(std::memory_order_acquire)}; }
  /// False once the file was removed or has gone to another inode. Whoever changes bytes asks after the Modification
  /// began, and opens the inode's file anew when the answer is no.
  bool serves(InodeId inode) const { return !detached_.load(std::memory_order_acquire) && this->inode() == inode; }
  File& file() { return *file_; }
  int fd() const { return file_->fd(); }
  /// Zeros there, as a hole where the disk can. What of the range lies beyond the file's end may stay so. Errors: NoSpace, Io.
  Status zero(Extent range);

  /// Held around every change of the bytes, from before the first byte until the record is committed. Several may be
  /// held at once.
  class Modification {
   public:
    explicit Modification(BackingFile& file) : file_(file), lock_(file.content_mutex_) {
      file_.generation_.fetch_add(1, std::memory_order_acq_rel);
    }
    ~Modification() { file_.generation_.fetch_add(1, std::memory_order_acq_rel); }

   private:
    BackingFile& file_;
    std::shared_lock<std::shared_mutex> lock_;
  };
  /// Keeps `freeze` out, and so the file its inode's, without changing anything.
  class Holding {
   public:
    explicit Holding(BackingFile& file) : lock_(file.content_mutex_) {}

   private:
    std::shared_lock<std::shared_mutex> lock_;
  };
  /// Moves with every start and end of a modification: equal and unmoving around a read means that the read saw one
  /// state of the file.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  /// Keeps modifications out for as long as it is held: for reading a consistent state of a file that never rests.
  std::unique_lock<std::shared_mutex> freeze() { return std::unique_lock(content_mutex_); }

  // For the backing store, which owns the name of the file.
  void give_to(InodeId inode) { inode_.store(inode.value, std::memory_order_release); }
  void detach() { detached_.store(true, std::memory_order_release); }

 private:
  std::atomic<std::uint64_t> inode_;
  std::atomic<bool> detached_{false};
  const std::unique_ptr<File> file_;
  std::shared_mutex content_mutex_;
  std::atomic<std::uint64_t> generation_{0};
};

/// Decides about an eviction candidate; called without the store's lock.
class EvictionJudge {
 public:
  virtual ~EvictionJudge() = default;
  /// True: the inode is clean, not open, and its content row has been marked absent; the file may go now.
  virtual bool give_up(InodeId inode) = 0;
};

/// All backing files of one volume. Thread-safe. A file's directory says what it is worth: `data_directory`/backing
/// holds content that exists nowhere else (never evicted), `cache_directory`/backing what the server also has. Files
/// are spread over 256 subdirectories by inode id. Where the two directories lie on different filesystems, clean files
/// stay where they are and are still counted and evicted as clean.
/// Never call it with the metadata store's mutex held: `open_file` waits for an eviction whose judge takes that mutex.
class BackingStore {
 public:
  struct Options {
    std::string data_directory;
    std::string cache_directory;
    std::uint64_t clean_limit_bytes = 10ull << 30;
    std::size_t max_open = 4096;      ///< descriptors kept open beyond those in use
  };
  static Result<std::unique_ptr<BackingStore>> open(Disk& disk, Options options);
  virtual ~BackingStore() = default;

  /// Opens, or with `create` makes (as dirty), an inode's backing file. Errors: NotFound, NoSpace, TooManyOpenFiles,
  /// Io.
  virtual Result<std::shared_ptr<BackingFile>> open_file(InodeId inode, bool create) = 0;
  /// Moves it to the state directory, before the first local change. Idempotent; creates it when there is none, or somebody has
  /// removed it: who has it open then has one that serves nobody.
  virtual Status make_dirty(InodeId inode) = 0;
  /// The server has it all: moves it to the cache directory and counts it as evictable. Idempotent. The caller holds
  /// the file frozen and has seen, since then, that its content row is clean. Stays where it is while set_unseen.
  virtual Status make_clean(InodeId inode) = 0;
  virtual Status remove(InodeId inode) = 0;             ///< ok when there is none
  /// A conflict copy takes the content over (and what `to` had goes). The caller holds the file of `from` frozen from
  /// before the rows change until this returns. Ok when `from` has none. Where the file cannot be renamed it is `to`'s all
  /// the same, and lies under the name of `from` until `finish_move`: until then nothing can be made for `from` (Io).
  /// Errors: Io, NoSpace, TooManyOpenFiles.
  virtual Status move(InodeId from, InodeId to) = 0;
  virtual Status hand_over(InodeId from, InodeId to) = 0;   ///< all of `move` but the rename
  virtual Status finish_move(InodeId to) = 0;           ///< ok when its file lies where it belongs, or there is none
  /// Which file it is: the same number before and after a move, another for each other file. 0: there is none. Source:
  /// stx_ino and stx_btime in man 2 statx.
  virtual Result<std::uint64_t> identity(InodeId inode) = 0;
  virtual bool exists(InodeId inode) = 0;
  /// A file of nobody's that goes when it is closed, also with the process. Where the kernel has descriptors it can share blocks
  /// with dirty files. Errors: NoSpace, TooManyOpenFiles, Io.
  virtual Result<std::unique_ptr<File>> open_unnamed() = 0;
  /// fsync of the file and, when it is new or moved, of its directory. Durability: its bytes survive a power cut.
  virtual Status sync(InodeId inode) = 0;
  /// The same, but only if the file was not synced since it became dirty, was made, or something was fetched into it: answers
  /// whether it was not. Waits for no eviction. False when there is no file.
  virtual Result<bool> sync_unsynced(InodeId inode) = 0;
  /// Something was fetched into it.
  virtual void note_fetched(InodeId inode) = 0;
  /// syncfs: everything written so far to any backing file survives a power cut.
  virtual Status sync_all() = 0;
  /// Notes a use, for eviction in order of last use.
  virtual void touch(InodeId inode) = 0;
  /// What the filesystem under the state directory has left for us.
  virtual Result<std::uint64_t> free_bytes() = 0;

  /// The kernel may write the file without being seen (passthrough). Remembered through kill -9. Sync must not take
  /// the file's rest for its final state while this is set.
  virtual Status set_unseen(InodeId inode, bool on) = 0;
  virtual bool unseen(InodeId inode) = 0;
  /// Whether anybody (a mapping that outlived its descriptor, a registered passthrough file) can still write the file.
  /// Gives up the store's own descriptor to find out. Source: F_SETLEASE in man 2 fcntl.
  virtual bool has_writers(InodeId inode) = 0;
  virtual std::vector<InodeId> unseen_inodes() = 0;     ///< at start: those that were set when the process ended
  /// The file vouches for what is in it: after a power cut it is to be taken for the inode's content, whatever the last
  /// record on the disk says. Goes with the file when that moves. Durability: on return this survives a power cut.
  virtual Status set_vouching(InodeId inode, bool on) = 0;
  virtual bool vouching(InodeId inode) = 0;
  virtual std::vector<InodeId> vouching_inodes() = 0;

  struct Usage {
    std::uint64_t clean_bytes = 0, dirty_bytes = 0;     ///< allocated on the disk, not file sizes
    std::uint64_t clean_limit_bytes = 0;
  };
  virtual Usage usage() = 0;   ///< waits for no thread that is stuck; open files may have grown since then
  /// Evicts least recently used clean files until the clean ones fit the limit (or `target_bytes` if smaller).
  /// Returns bytes freed.
  virtual Result<std::uint64_t> evict(EvictionJudge& judge, std::uint64_t target_bytes) = 0;
  /// At start: counts what is there, and removes files of inodes that `known` does not know.
  virtual Status sweep(const std::function<bool(InodeId)>& known) = 0;
};

}  // namespace skymoor::client
