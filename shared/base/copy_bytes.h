// Copies between open files.
#pragma once
#include "shared/base/file.h"

namespace skymoor {

/// Copies `length` bytes; blocks are shared where the filesystem can. Answers how many: fewer only at the end of `from`.
/// Durability: as File::write_at. Errors: NoSpace, Io. Source: man 2 copy_file_range.
Result<std::uint64_t> copy_bytes(File& from, std::uint64_t from_offset, File& to, std::uint64_t to_offset, std::uint64_t length);

}  // namespace skymoor
