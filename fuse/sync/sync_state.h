// SyncState: what the sync thread carries from one round to the next.
#pragma once
#include <optional>

#include "fuse/sync/plan/aliases.h"
#include "shared/base/file.h"

namespace skymoor::client {

/// A content that a re-plan gives to another inode.
struct NotedMove {
  InodeId from, to;
  std::uint64_t file = 0;   ///< BackingStore::identity of the file of `from`; 0: it had none
  bool made = false;        ///< the file was handed over; not on the disk
};

/// Kept in one small file beside the log: only conflicts put anything into it, so it is written rarely.
/// Format: SYNC_STATE.md. A value.
struct SyncState {
  Aliases aliases;                                  ///< of acknowledged records, and answers to questions
  /// Contents that a re-plan gives to conflict copies; named before it happens, so that a crash between the rows and
  /// the backing files can be put right.
  std::vector<NotedMove> moves;
  std::uint64_t rebase = 0;                         ///< MetadataStore::rebases with theirs; 0: an older program noted them
  Aliases visible;                                  ///< as the visible tree was last planned: `aliases` and pending ones
  Lsn shown_up_to;                                  ///< newest record at that time: later ones name what is visible
  bool empty() const { return aliases.empty() && visible.empty() && moves.empty(); }
};

/// Loads and saves the state. Used by the sync thread alone. Without a disk it lives in memory only.
class SyncStateFile {
 public:
  SyncStateFile(Disk* disk, const std::string& directory)
      : disk_(directory.empty() ? nullptr : disk), path_(directory + "/sync_state") {}
  /// Errors: Corrupt, Io.
  Result<SyncState> load();
  /// Remembers that this state is a copy of one that has gone on, or an older one put back. Durability: as save.
  Status note_copied();
  static bool noted_as_copied(Disk& disk, const std::string& directory);
  static Status forget_copied(Disk& disk, const std::string& directory);
  /// Writes only what differs from what was written last. Durability: on return the state survives a power cut.
  Status save(const SyncState& state);

 private:
  Disk* const disk_;
  const std::string path_;
  Bytes written_;
};

}  // namespace skymoor::client
