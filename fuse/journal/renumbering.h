// Renumbering: which numbers of a state change when it goes on under another writer.
#pragma once
#include <vector>

#include "fuse/journal/record.h"

namespace skymoor::client {

/// A writer's records, and what they made, are numbered by the records. Those up to `after` are at the server under these
/// numbers and keep them; later ones nobody else has seen in this state's sense, and they become `to`'s with the same
/// counters. A value.
struct Renumbering {
  WriterId from, to;
  Lsn after;
  /// Contents that the server has from `from` already, though not the records that made them (a full commit takes what a
  /// file holds by then): the confirmed tree goes on naming them so, while the records become `to`'s.
  struct SentAhead {
    InodeId inode;
    OpId content;
    friend bool operator==(const SentAhead&, const SentAhead&) = default;
  };
  std::vector<SentAhead> ahead;
  OpId of(OpId op) const { return op.writer == from && op.counter > after.value ? OpId{to, op.counter} : op; }
  InodeId of(InodeId id) const {
    return writer_of(id) == from && counter_of(id) > after.value ? make_inode_id(to, counter_of(id)) : id;
  }
  InodeRow of(InodeRow row) const;
  LogRecord of(LogRecord record) const;
};

}  // namespace skymoor::client
