// The name a losing version gets: `NAME (conflict DEVICE YYYY-MM-DD ID).EXT`.
#pragma once
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::client {

struct ConflictTag {
  std::string_view device;   ///< shown as it is but for '/' and control characters
  Timestamp time{};          ///< of the record; its UTC date is shown
  OpId op;                   ///< makes the name unique
  unsigned attempt = 0;      ///< raised while the name is taken
};

/// A suffix that `name` already carries is replaced, not stacked. Where the result would be longer than 255 bytes the
/// stem is cut at a UTF-8 boundary; the extension and the id stay. `directory`: there is no extension.
std::string conflict_name(std::string_view name, bool directory, const ConflictTag& tag);

/// Whether a name carries a suffix as made above.
bool is_conflict_name(std::string_view name);

}  // namespace skymoor::client
