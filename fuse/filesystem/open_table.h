// What is open: per-inode state and handles. All of it is guarded by the metadata store's mutex unless said otherwise.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fuse/filesystem/content_view.h"
#include "fuse/filesystem/unseen/unseen_stamp.h"
#include "fuse/filesystem/filesystem.h"

namespace skymoor::client {

inline constexpr LockRank kInodeChangeRank = 20000;

/// How the kernel serves the open file. It cannot mix the two ways on one inode, so the first open decides until the
/// last handle is gone (see unseen/passthrough.cc).
enum class IoMode : std::uint8_t { kNone, kCached, kPassthrough };

/// What of a file's bytes would not survive a power cut, as long as it is little.
class UnsyncedBytes {
 public:
  /// Everything of the file survives but what `wrote` is told from now on.
  void all_synced() {
    known_ = true;
    extents_.clear();
  }
  void wrote(Extent extent);
  /// Something changed in a way that is not to be logged (cut, punched, cloned, or too much).
  void lost_track() {
    ++changes_;
    known_ = false;
    extents_.clear();
  }
  bool known() const { return known_; }
  /// Moves with every change that is told: unchanged around a sync of the file means that all of it was synced.
  std::uint64_t changes() const { return changes_; }
  std::vector<Extent> extents() const { return extents_.all(); }

 private:
  bool known_ = false;
  std::uint64_t changes_ = 0;
  ExtentSet extents_;
};

/// An inode that has handles, or that an operation is changing. Shared by those who use it.
struct OpenInode {
  explicit OpenInode(InodeId inode) : id(inode) {}

  /// Changed under the store's mutex only, with the backing file frozen: when the content goes to another inode.
  std::atomic<InodeId> id;
  /// Own synchronisation: held around each change of the file's bytes or size, so that size and bytes move together.
  Mutex change{kInodeChangeRank, "filesystem.inode"};

  // Guarded by the store's mutex.
  std::uint32_t users = 0;        ///< handles and operations; 0: leaves the table
  std::uint32_t handles = 0;
  ContentView view;
  std::shared_ptr<BackingFile> file;
  bool trim_wanted = true;        ///< the backing file may hold bytes beyond the file's end
  bool unnamed = false;           ///< made by O_TMPFILE and not linked yet
  bool forgotten = false;         ///< the kernel has let go of it: an orphan goes with the last handle
  Lsn synced;                     ///< record and bytes up to here survive a power cut
  UnsyncedBytes unsynced;
  std::optional<Error> failed;    ///< a sync failed: bytes may be missing on the disk whatever a later sync says
  IoMode mode = IoMode::kNone;
  std::uint32_t cached_writers = 0;  ///< other handles open for writing
  std::uint32_t unseen_writers = 0;  ///< passthrough handles open for writing
  std::shared_ptr<BackingFile> unseen_file;  ///< what they write
  // The file vouches for itself (unseen/vouch.cc).
  Lsn settled, settled_base;      ///< last record of unseen writes; first of those that follow one another without another
  std::uint32_t data_syncs = 0;   ///< of the file since it is watched, that had to sync the record, too
  bool vouching = false;
  /// The file may change without us: from the first such handle until no mapping of the last one is left. Set and
  /// cleared under `change`.
  std::atomic<bool> watched{false};
  // Guarded by `change`.
  UnseenStamp unseen;                ///< what the backing file looked like when the record was made
  std::optional<Instant> blind_since;   ///< stamped since: a mapping from before may write on without a sign (unseen_stamp.h)
};

/// One open file.
struct Handle {
  std::shared_ptr<OpenInode> inode;
  bool read = true, write = false, append = false, sync = false, no_access_time = false, passthrough = false;
  // Readahead: where the last read began, where a sequential reader would go on, how far ahead it is worth to fetch, up
  // to where we asked.
  std::uint64_t last_offset = 0, next_offset = 0, window_bytes = 0, asked_until = 0;
};

/// Handles by id. An id is a slot and how often the slot was used: ids never come back soon.
class HandleTable {
 public:
  explicit HandleTable(std::size_t limit) : limit_(limit) {}
  /// Errors: TooManyOpenFiles.
  Result<HandleId> add(Handle handle);
  /// Gives the handle the id it had in another table. For an empty table's first handles, ids as `add` makes them.
  /// False: no id of this table.
  bool restore(HandleId id, Handle handle);
  /// After the last `restore`: the slots between them are free. The ids that come next are others than those that the earlier
  /// table may have given: requests about these may come yet. `salt`: another one each time.
  void end_restore(std::uint32_t salt);
  void for_each(const std::function<void(HandleId, const Handle&)>& visit) const;
  Handle* find(HandleId id);      ///< null: no such handle; valid until the handle is taken
  std::optional<Handle> take(HandleId id);
  std::size_t size() const { return used_; }

 private:
  struct Slot {
    std::uint32_t uses = 0;
    std::optional<Handle> handle;
  };
  Slot* slot_of(HandleId id);

  const std::size_t limit_;
  std::uint32_t first_use_ = 0;
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace skymoor::client
