// Aliases: what conflict rules did to ids and names that later records of this device still use.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "fuse/journal/renumbering.h"
#include "fuse/journal/tree_effect.h"
#include "fuse/sync/plan/tree_view.h"
#include "shared/base/bytes.h"

namespace skymoor::client {

/// A record names what its author saw; a conflict rule may have put something else in its place. Plans add entries; once
/// every record from before the entry became visible is acknowledged, nobody asks for it any more. A value; format of
/// encode: SYNC_STATE.md.
struct Aliases {
  /// A never-committed inode of this device, and the one that stands for it: merged directories, equal files, a conflict
  /// copy that turned out not to be needed. Two inodes that the server knows are never each other's alias.
  std::unordered_map<InodeId, InodeId> inodes;
  /// A file whose local edits went to a conflict copy, and the content that the copy has reached: an edit that saw this
  /// content goes to the copy as well.
  struct Copy {
    InodeId inode;
    OpId content;
  };
  std::unordered_map<InodeId, Copy> copies;
  /// Where a link that was asked for at a place went instead.
  std::map<std::pair<Place, InodeId>, Place> moved;
  /// Conflict copies that a re-plan has shown to the user: records may name them.
  std::unordered_set<InodeId> shown;
  /// What the author's writes of a file, each over the one before, from the record in the key up to `up_to`, end in: byte
  /// for byte what the other side wrote.
  struct Equal {
    Lsn up_to;
    OpId theirs;
    friend bool operator==(const Equal&, const Equal&) = default;
  };
  std::map<std::pair<InodeId, Lsn>, Equal> equals;

  /// Contents that a commit took along ahead of their records: the file as records after `after` and up to `up_to` had made it. What
  /// these wrote was there for others to see, and to write over.
  struct Sent {
    Lsn after, up_to;
    friend bool operator==(const Sent&, const Sent&) = default;
  };
  std::unordered_map<InodeId, Sent> sent;

  /// What a commit of records up to `up_to`, as it was sent, leaves to be known for those that follow: contents that went along
  /// ahead of them, and where, of what `visible` says, they find what is new.
  void note_commit(const std::vector<TreeEffect>& effects, WriterId writer, Lsn up_to, const Aliases& visible);
  /// Whether what record `lsn` wrote into `inode` was sent with a content ahead of it.
  bool was_sent(InodeId inode, Lsn lsn) const;
  /// Forgets those that went ahead of records which are acknowledged by now.
  void forget_sent(Lsn acknowledged);
  /// Follows aliases to the inode that counts.
  InodeId resolve(InodeId inode) const;
  const Copy* copy_of(InodeId inode) const;
  /// Whether what record `lsn` did to `inode` is part of what ends in the bytes of `theirs`.
  bool ends_in(InodeId inode, Lsn lsn, OpId theirs) const;
  /// The content whose bytes the writes up to `lsn` end in; nothing when they end elsewhere.
  std::optional<OpId> equal_at(InodeId inode, Lsn lsn) const;
  bool empty() const { return !conflicts() && sent.empty(); }
  bool conflicts() const;   ///< there is something that a conflict rule did
  /// The same of records that have become another writer's.
  Aliases renumbered(const Renumbering& numbers) const;
  /// Takes over the entries of `more`; they win over older ones.
  void merge(const Aliases& more);
};

Bytes encode_aliases(const Aliases& aliases);
/// Errors: Corrupt.
Result<Aliases> decode_aliases(ByteView bytes);

}  // namespace skymoor::client
