// How rows are written, in log records and in SQLite alike. Format: JOURNAL.md, "Rows".
#pragma once
#include "fuse/journal/record.h"
#include "fuse/journal/rows.h"

namespace skymoor::client {

inline constexpr std::size_t kMaxManifestBytes = 1u << 30;

void put_op(ByteWriter& out, const OpId& op);
OpId get_op(ByteReader& in);
void put_time(ByteWriter& out, Timestamp time);
Timestamp get_time(ByteReader& in);

/// Everything but `id` and `changed`, which stand beside it in the record or the table.
void encode_inode_body(ByteWriter& out, const InodeRow& row);
/// Fails the reader on what no writer makes.
InodeRow decode_inode_body(ByteReader& in);

/// As in a record: id, body. `changed` is the record's own lsn.
void encode_inode(ByteWriter& out, const InodeRow& row);
InodeRow decode_inode(ByteReader& in);
void encode_dentry(ByteWriter& out, const DentryRow& row);
DentryRow decode_dentry(ByteReader& in);

/// Row changes in order, with their count: the redo half of a record, and the whole of a note.
void encode_changes(ByteWriter& out, const std::vector<RowChange>& changes);
std::vector<RowChange> decode_changes(ByteReader& in);

}  // namespace skymoor::client
