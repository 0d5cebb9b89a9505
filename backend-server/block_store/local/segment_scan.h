// Reads the records of a segment file without trusting it. Private to this room.
#pragma once
#include "backend-server/block_store/local/segment_format.h"
#include "shared/base/file.h"

namespace skymoor::server::segment {

struct Scan {
  std::vector<Entry> entries;
  std::uint64_t end = 0;            ///< after the last whole record; what follows is a torn tail
  std::uint64_t skipped_bytes = 0;  ///< damaged bytes between whole records
  bool unreadable = false;          ///< the disk could not read some of it, perhaps for a while: nothing of it may be cut off or deleted
};

/// Reads every record from `from` to `size` and compares its checksums. After damage it looks for the next whole
/// record: a rotten header costs one record, not the rest of the segment. A record with a whole header and a wrong
/// payload is reported as damaged, unless nothing whole follows: then the tail was torn off while it was written. What the
/// disk cannot read counts as damaged.
Result<Scan> scan_segment(File& file, std::uint32_t salt, std::uint64_t from, std::uint64_t size);

/// The records of a segment by its hint, and by reading what the hint does not cover.
struct Contents {
  FileHeader header;
  Scan scan;
  std::uint64_t file_bytes = 0;
  std::uint64_t hinted_bytes = 0;  ///< 0: no hint, or one that was wrong
  bool closed = false;             ///< by its hint: nothing may be appended, what follows `scan.end` does not count
};
/// Errors: NotFound; Corrupt (header and hint are both damaged); Io (neither can be read).
Result<Contents> read_contents(Disk& disk, const std::string& directory, std::uint32_t number, File& file);

}  // namespace skymoor::server::segment
