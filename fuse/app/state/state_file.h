// The small JSON files of the state directory: {"format":KIND,"version":1,...}, mode 0600, written atomically. For .cc
// files of this room only (it sees nlohmann-json).
#pragma once
#include "shared/base/file.h"
#include "shared/protocol/json_fields.h"

namespace skymoor::client {

/// Errors: NotFound, Corrupt (not such a file, or of a newer version), Io.
Result<protocol::Json> read_state_file(Disk& disk, const std::string& path, std::string_view kind);
/// What to do where the disk has no room for a new file beside the old one.
enum class WhenFull {
  kFail,        ///< NoSpace
  kOverwrite,   ///< write over the old one, which a power cut in between may damage
};
/// Durability: on return the new content survives a power cut; before, the old one does. Errors: NoSpace, Io.
Status write_state_file(Disk& disk, const std::string& path, std::string_view kind, protocol::Json fields,
                        WhenFull when_full = WhenFull::kFail);
/// Names the file and says what a person can do.
Error damaged_state_file(const std::string& path, const Error& why);

}  // namespace skymoor::client
