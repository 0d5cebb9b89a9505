// What the server keeps of the past: replaced versions of files, and deleted entries.
#pragma once
#include "shared/model/listing.h"

namespace skymoor {

/// One stored content of a file. Its manifest is asked for by itself.
struct VersionRecord {
  Sequence sequence;    ///< of the commit that stored it: names the version of its inode
  OpId content;         ///< opens the manifest
  DeviceId device;      ///< that made it; zeros: not known
  std::uint64_t size = 0;
  Timestamp mtime{};
  Timestamp stored{};   ///< server's clock
};

/// Versions of an inode, the newest first. `inode` is as it is now, or was when its last name went (links 0).
struct VersionPage {
  Epoch epoch{1};
  Sequence head;
  InodeRecord inode;
  std::vector<VersionRecord> versions;
  Sequence next;        ///< ask for those before it; 0: these were the oldest
};
Bytes encode_version_page(const VersionPage& page);
Result<VersionPage> decode_version_page(ByteView bytes);

/// An inode without names, in the place that it had last.
struct TrashEntry {
  NameToken token;
  Bytes sealed_name;
  Sequence sequence;    ///< of the commit that took the last name
  Timestamp time{};     ///< server's clock
  InodeRecord inode;    ///< without its manifest
};

/// What was deleted from a directory, in order of token; `next` is the cursor of the next page, empty at the end.
struct TrashPage {
  Epoch epoch{1};
  Sequence head;
  std::vector<TrashEntry> entries;
  Bytes next;
};
Bytes encode_trash_page(const TrashPage& page);
Result<TrashPage> decode_trash_page(ByteView bytes);

}  // namespace skymoor
