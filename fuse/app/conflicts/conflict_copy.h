// Conflict copies in a mount: found by their names, resolved by ordinary renames and removals.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/ids.h"

namespace skymoor::client {

/// What `NAME (conflict DEVICE YYYY-MM-DD ID).EXT` says.
struct ConflictName {
  std::string original, device, date;
  WriterId writer;          ///< of the state directory that made it
};
/// Nothing when the name is not one of those.
std::optional<ConflictName> parse_conflict_name(std::string_view name);

struct ConflictCopy {
  std::string path;
  ConflictName name;
  std::string original_path() const;
};

/// Looks through a directory and all below it that is on the same filesystem, or at one file. `unreadable` is told of
/// directories that could not be looked into.
std::vector<ConflictCopy> find_conflicts(const std::string& path, const std::function<void(const Error&)>& unreadable);

enum class ConflictSide : std::uint8_t { kCopy, kOriginal, kBoth };

/// kCopy: the copy takes the original's name, and the original goes (one with several names takes the copy's content);
/// kOriginal: the copy goes; kBoth: the copy gets a name that is no conflict name. What goes is a deleted file at the server.
/// `scratch`: a directory outside the mount with room for the copy. `hold` is called before a file goes, and must see to it
/// that the server has it. Returns the path of the copy afterwards, empty when it went. Errors: NotFound (no original to keep
/// or to replace), IsDirectory (a directory can only be kept), Busy (somebody changed the original), those of `hold`.
Result<std::string> resolve_conflict(const ConflictCopy& copy, ConflictSide keep, const std::string& scratch,
                                     const std::function<Status(const std::string& path)>& hold);

}  // namespace skymoor::client
