// Records of the op log: one for each operation that changed something. Format: JOURNAL.md.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "fuse/journal/rows.h"
#include "shared/base/clock.h"

namespace skymoor::client {

// Intents: what the caller wanted and what it saw; the sync planner's input. Values (attributes, targets, xattr values)
// stand in the rows of the same record. An OpId `..._seen` is the content the author saw.

/// Local only: orphan removal, allocation, fetched manifests, an inode opened for unseen (passthrough) writes.
struct LocalIntent {};
/// A new inode of any type under a new name. Its id is make_inode_id(writer, lsn).
struct CreateIntent {
  InodeId directory;
  std::string name;
  InodeId inode;
};
struct LinkIntent {
  InodeId directory;
  std::string name;
  InodeId inode;
  OpId seen;
};
struct UnlinkIntent {
  InodeId directory;
  std::string name;
  InodeId inode;
  bool last = false;  ///< it was the last link
  OpId seen;
};
struct RmdirIntent {
  InodeId directory;
  std::string name;
  InodeId inode;
};
struct RenameIntent {
  InodeId from_directory;
  std::string from_name;
  InodeId to_directory;
  std::string to_name;
  InodeId inode;
  OpId seen;
  InodeId replaced;         ///< 0: nothing was replaced
  OpId replaced_seen;
  bool replaced_last = false;
  bool exchange = false;    ///< RENAME_EXCHANGE: `replaced` went to the old place
};
/// Content changed (write, truncate, punch, ...): the new content's id is {writer, lsn of this record}.
struct WriteIntent {
  InodeId inode;
  OpId seen;                ///< content id before
};
/// Attributes only (chmod, chown, utimens): the rows say what.
struct AttributeIntent {
  InodeId inode;
  std::uint8_t fields = 0;  ///< AttributeField bits
};
struct XattrIntent {
  InodeId inode;
  std::string name;
};
using Intent = std::variant<LocalIntent, CreateIntent, LinkIntent, UnlinkIntent, RmdirIntent, RenameIntent, WriteIntent,
                            AttributeIntent, XattrIntent>;

// Row changes: the redo half. Applying a record's changes to the tables as they were before it gives the tables after.

struct PutInode { InodeRow row; };
struct EraseInode { InodeId inode; };           ///< with its xattrs and content row
struct PutDentry { DentryRow row; };
struct EraseDentry {
  InodeId directory;
  std::string name;
};
struct PutXattr {
  InodeId inode;
  std::string name;
  Bytes value;
};
struct EraseXattr {
  InodeId inode;
  std::string name;
};
/// Sets, for a range, whether it is valid and whether it is dirty.
struct MarkContent {
  InodeId inode;
  Extent extent;
  bool valid = true, dirty = true;
};
/// The manifest that stands for what is not valid.
struct PutManifest {
  InodeId inode;
  OpId content;
  Bytes manifest;
};
/// Content row of `from` becomes that of `to` (a conflict copy takes over the backing file).
struct MoveContent { InodeId from, to; };
/// File data itself, logged so that fsync of a small write costs one sync: replay writes it into the backing file.
struct LogData {
  InodeId inode;
  std::uint64_t offset = 0;
  Bytes bytes;
};
using RowChange = std::variant<PutInode, EraseInode, PutDentry, EraseDentry, PutXattr, EraseXattr, MarkContent,
                               PutManifest, MoveContent, LogData>;

struct LogRecord {
  Lsn lsn;
  Timestamp time{};
  Intent intent;
  std::vector<RowChange> changes;
};

inline constexpr std::size_t kMaxRecordBytes = 1u << 20;

/// The record without its frame (length and checksum belong to the log file).
Bytes encode_record(const LogRecord& record);
void encode_record_to(ByteWriter& out, const LogRecord& record);  ///< appends to `out`
/// Errors: Corrupt.
Result<LogRecord> decode_record(ByteView bytes);

}  // namespace skymoor::client
