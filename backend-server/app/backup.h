// A copy of a data directory, made while its server runs.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "shared/base/file.h"

namespace skymoor::server {

struct BackupRequest {
  std::string from, to;                ///< data directories
  bool without_login_secrets = false;  ///< leaves keyservice.* out: who has the copy cannot test passwords then
};
struct BackupReport {
  std::uint64_t copied_bytes = 0, kept_bytes = 0;   ///< kept: of segments that the last backup had copied already
  std::uint64_t segments = 0, removed_segments = 0; ///< removed: compacted away since the last backup
};

/// Everything that `from` holds at one moment, as a data directory that a server can start with. The metadata is copied first, then the
/// blocks: what the metadata names is in them, for nothing is deleted from `from` meanwhile (DataHold). What a backup before left
/// in `to` is made up to date; segments that have not changed are not copied again. A backup that is cut short leaves the one before,
/// but for the moment in which all is put in its place: then the mark says that it is not complete (backup_mark.h).
/// Durability: on return the copy survives a power cut. `progress`: bytes of blocks done, of how many.
/// Errors: InvalidArgument (`to` is `from`, in it, or holds something else, or another server's backup), NotFound (no server data), Busy (a server or another
/// backup uses it), Corrupt (a page of the metadata is damaged), NoSpace, Io.
Result<BackupReport> back_up(Disk& disk, const BackupRequest& request, const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace skymoor::server
