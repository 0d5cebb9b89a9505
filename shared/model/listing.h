// What the server tells of inodes and directories that a device has not seen through the feed.
#pragma once
#include <vector>

#include "shared/model/change.h"

namespace skymoor {

/// An inode as the server holds it.
struct InodeRecord {
  InodeId inode;
  Attributes attributes;
  std::uint32_t links = 0;
  Sequence version;            ///< sequence of the last commit that touched the inode in any way
  Sequence content_version;    ///< sequence of the last PutContent; 0: none yet (an empty file)
  OpId content;                ///< PutContent::content of it: opens the manifest
  Bytes sealed_target;
  Bytes sealed_manifest;       ///< empty when left out (see `manifest_left_out`) or when there is no content
  bool manifest_left_out = false;
  std::vector<SetXattr> xattrs;
};

struct ListedEntry {
  Bytes sealed_name;
  NameToken token;
  InodeRecord inode;
};

/// One page of a directory, as of `sequence`. `next` is the cursor of the next page, empty at the end.
struct DirectoryPage {
  Epoch epoch{1};
  Sequence sequence;
  InodeRecord directory;
  std::vector<ListedEntry> entries;
  Bytes next;
};
Bytes encode_directory_page(const DirectoryPage& page);
Result<DirectoryPage> decode_directory_page(ByteView bytes);

/// Inodes asked for by id, as of `sequence`; unknown or dead ones are left out.
struct InodePage {
  Epoch epoch{1};
  Sequence sequence;
  std::vector<InodeRecord> inodes;
};
Bytes encode_inode_page(const InodePage& page);
Result<InodePage> decode_inode_page(ByteView bytes);

inline constexpr std::size_t kMaxListedEntries = 2000;
inline constexpr std::size_t kMaxCursorBytes = 64;

}  // namespace skymoor
