// The rows of the client's tables: what the visible tree is made of.
#pragma once
#include <string>

#include "shared/base/ids.h"
#include "shared/model/attributes.h"
#include "shared/model/extents.h"

namespace skymoor::client {

struct InodeRow {
  InodeId id;
  Attributes attributes;
  std::uint32_t links = 0;   ///< names; directories: 2 + subdirectories. 0: an orphan (open or dead), local only
  InodeId parent;            ///< directories: where it is linked; else the directory it was last linked in
  std::string target;        ///< symlinks
  OpId content;              ///< names the content: {writer, lsn} of the last local write, or what the server holds
  Sequence version;          ///< InodeRecord::version when it came from the server; 0: never synced
  bool listed = false;       ///< directories: every entry is known here
  bool has_xattrs = false;   ///< false: there are none, without looking
  Lsn changed;               ///< the last local record that touched it; 0 or acknowledged: clean
};

struct DentryRow {
  InodeId directory;
  std::string name;
  InodeId inode;
  FileType type = FileType::kFile;
  std::uint64_t cookie = 0;  ///< place in readdir: unique in the directory, grows; 0 in a change: the store gives one
  Lsn changed;
};

/// What of a file's bytes is in its backing file. A range inside the file's size that is not valid is what `manifest`
/// says at the same offset.
struct ContentRow {
  InodeId inode;
  ExtentSet valid;           ///< present in the backing file
  ExtentSet dirty;           ///< differs, or may differ, from `manifest`
  OpId manifest_content;     ///< content id that `manifest` describes; 0: there is none (a new file)
  Bytes manifest;            ///< encode_manifest; empty: none, or not fetched yet
};

}  // namespace skymoor::client
