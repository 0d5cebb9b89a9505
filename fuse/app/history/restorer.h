// Restorer: brings versions and deleted entries back, through the mount like any other program.
#pragma once
#include "fuse/app/history/volume_history.h"

namespace skymoor::client {

/// Every step is an ordinary change made in the mount: journalled, sent, and seen by other devices as an edit. For one
/// command: one thread. Failure: what was there before is at the server as a version; a file that could not be made
/// whole is taken away again.
class Restorer {
 public:
  Restorer(VolumeHistory& history, CommandContext& context) : history_(history), context_(context) {}

  /// Returns when the server holds what is in the file now, so that it is a version itself. Errors: Offline, TimedOut;
  /// Busy (somebody goes on writing).
  Status hold(const HistoryPlace& place, std::chrono::milliseconds patience);
  /// Writes a version over the file at `place`, which was held before. Errors: Busy (somebody changed the file since
  /// then: nothing was written).
  Status over_file(const HistoryPlace& place, const PathVersion& version);
  /// Makes a file that must not be there yet, with the attributes of `inode`; `version` null: an empty one.
  /// Errors: AlreadyExists.
  Status new_file(const std::string& path, const InodeRecord& inode, const VersionRecord* version);
  /// Makes whatever was deleted at `path`, which must not be there yet; a directory with what was deleted from it in the
  /// hour before itself (`all`: at any time). Missing directories above it are made.
  Status deleted_entry(const std::string& path, const DeletedEntry& entry, bool all);

  std::uint64_t made() const { return made_; }

 private:
  Status make(const std::string& path, const DeletedEntry& entry, bool all, Timestamp since, int depth);
  Status children(const std::string& path, InodeId directory, bool all, Timestamp since, int depth);
  Status set_attributes(const std::string& path, const InodeRecord& inode);

  VolumeHistory& history_;
  CommandContext& context_;
  std::uint64_t made_ = 0;   ///< entries
  struct stat held_ = {};    ///< of the file that `hold` was asked for
};

}  // namespace skymoor::client
