// ContentChange: one change of a file's bytes, from before the first byte until its record is in the log.
#pragma once
#include <optional>

#include "fuse/filesystem/engine.h"

namespace skymoor::client {

/// Holds, while it lives, the inode's change lock and a Modification of its backing file. Used by one thread, on the
/// stack. Failure: when the record cannot be written, bytes that were clean are given up (they can be fetched again)
/// and bytes beyond the file's end are cut off before they can show.
///
///   ContentChange change(engine, inode);
///   TRY(change.begin());
///   ... write to change.file() ...
///   MutexLock lock(store mutex);  TRY(change.record(lock, row, written, new_size));
class ContentChange {
 public:
  ContentChange(Engine& engine, std::shared_ptr<OpenInode> inode) : engine_(engine), inode_(std::move(inode)) {}
  /// Blocks: on other changes of the file. Not under the store's mutex. Errors: NoSpace, Io.
  Status begin();
  /// The same for a change that leaves some of the bytes as they are: those that are not here can be fetched later, or
  /// this fails. Errors: NotPresent too.
  Status begin(Request& request);
  BackingFile& file() { return *file_; }
  /// Commits: `written` is right in the backing file now, and the file is `size` long. Bytes between the old end and
  /// `written` are zeros. Updates `row`, mtime and ctime included.
  Status record(const MutexLock& lock, InodeRow& row, Extent written, std::uint64_t size);
  /// Commits: the file is what `manifest` (encoded) says, `size` bytes long, and as far as it was here before still is. Nothing of it
  /// has to be sent. Updates `row`.
  Status record_clone(const MutexLock& lock, InodeRow& row, Bytes manifest, std::uint64_t size);
  /// The change is plain writing: a sync may log the bytes instead of syncing the backing file.
  void plain_write() { plain_ = true; }
  /// The record takes setuid, setgid (unless the caller may keep them) and file capabilities away. `request.stale` is set if
  /// there were any; it must live as long as this.
  void takes_privileges(Request& request, bool may_keep_ids) {
    takes_from_ = &request;
    may_keep_ids_ = may_keep_ids;
  }
  /// Some bytes of `touched` may have changed before a step failed: inside the file they are recorded as changed,
  /// beyond its end they are cut off. Best effort: the caller reports the step's own error.
  void record_failure(const MutexLock& lock, Extent touched);
  const std::shared_ptr<OpenInode>& inode() const { return inode_; }

 private:
  std::pair<Change, InodeRow> begin_record(const MutexLock& lock, const InodeRow& row, std::uint64_t size);
  Status hold_file();
  Status trim();
  Status commit(const MutexLock& lock, Change change, InodeRow& after);
  /// The bytes of `touched` are no longer what the tables say, and no record will say so.
  void give_up(const MutexLock& lock, Extent touched);
  void mark(const MutexLock& lock, Change& change, const InodeRow& row, Extent written, std::uint64_t old_size);

  Engine& engine_;
  const std::shared_ptr<OpenInode> inode_;
  bool plain_ = false;
  Request* takes_from_ = nullptr;
  bool may_keep_ids_ = true;
  std::optional<OpId> began_with_;   ///< the content that the change was begun on
  std::optional<MutexLock> lock_;
  std::shared_ptr<BackingFile> file_;
  std::optional<BackingFile::Modification> modification_;
};

}  // namespace skymoor::client
