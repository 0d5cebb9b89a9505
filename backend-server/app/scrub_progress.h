// ScrubProgress: how far the re-reading of all blocks has come, across restarts.
#pragma once
#include <optional>
#include <string>

#include "backend-server/block_store/block_store.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"

namespace skymoor::server {

/// A server that is restarted every week must get through its blocks nevertheless.
struct ScrubProgress {
  std::optional<Timestamp> done;      ///< when the last whole pass ended
  std::optional<BlockName> after;     ///< the pass under way has come to here
  std::uint64_t blocks = 0, bytes = 0;///< re-read in the pass under way
  std::uint64_t damaged = 0;          ///< of them, found unreadable

  bool under_way() const { return after.has_value(); }
  /// Whether a pass is to be begun or gone on with. A time to come (a clock was set back) counts as none.
  bool due(Timestamp now, std::chrono::milliseconds every) const {
    return under_way() || !done || *done > now || now - *done >= every;
  }
};

/// What `path` says; nothing where it does not exist. Errors: InvalidArgument (not such a file), Io.
Result<ScrubProgress> load_scrub_progress(Disk& disk, const std::string& path);
/// Durability: as write_file_durably. Errors: NoSpace, Io.
Status save_scrub_progress(Disk& disk, const std::string& path, const ScrubProgress& progress);

}  // namespace skymoor::server
