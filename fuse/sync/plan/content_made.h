// Which records make a content.
#pragma once
#include <optional>

#include "fuse/journal/record.h"

namespace skymoor::client {

/// Which inode's content a record makes, and what its author saw there: a write's; or, of a create, that of a file which was
/// written before it had a name (O_TMPFILE).
std::optional<WriteIntent> content_made(const LogRecord& record, WriterId writer);

}  // namespace skymoor::client
