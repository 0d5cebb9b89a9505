// Trees: inodes, dentries (slots), content versions, xattrs, trash.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "backend-server/metadata_store/volume_table.h"
#include "shared/model/listing.h"

namespace skymoor::server {

struct InodeRow {
  InodeId inode;
  Attributes attributes;
  std::uint32_t links = 0;
  InodeId parent;               ///< directories: where they are linked (the last place once they are dead)
  Bytes sealed_target;
  Sequence content_version;     ///< 0: none
  OpId content;
  std::uint64_t manifest_bytes = 0;
  std::uint32_t xattrs = 0;
  // Sequence of the last commit that changed ...
  Sequence checked;             ///< ... links or content: what ReadKind::kInode compares
  Sequence children;            ///< ... the set of entries: ReadKind::kChildren
  Sequence touched;             ///< ... anything
  bool live() const { return links > 0 || inode == kRootInode; }
};

struct SlotRow {
  Bytes sealed_name;
  InodeId inode;
  Sequence sequence;            ///< of the commit that linked it
};

struct EntryRow {
  NameToken token;
  Bytes sealed_name;
  InodeRow inode;
};

struct VersionRow {
  InodeId inode;
  Sequence sequence;
  OpId content;
  std::uint64_t size = 0;
  Timestamp mtime{};
  Bytes sealed_manifest;
  Bytes block_ids;              ///< 32 bytes each; every one holds a reference
  Timestamp stored{};           ///< server's clock
};

/// A version without what is large; `device`: who was leased the content's prefix, zeros when that is not known.
struct VersionSummaryRow {
  Sequence sequence;
  OpId content;
  DeviceId device;
  std::uint64_t size = 0;
  Timestamp mtime{}, stored{};
};

/// Where a dead inode was linked last.
struct TrashRow {
  InodeId inode;
  InodeId directory;
  NameToken token;
  Bytes sealed_name;
  Sequence sequence;
  Timestamp time{};
};

/// A place in the trash of one directory, in order of token, then of commit, newest first; zeros: the start.
struct TrashCursor {
  NameToken token;
  Sequence sequence;
  InodeId inode;
};

class NamespaceTable {
 public:
  virtual ~NamespaceTable() = default;

  virtual Result<std::optional<InodeRow>> find_inode(VolumeNumber volume, InodeId inode) const = 0;
  virtual Status insert_inode(VolumeNumber volume, const InodeRow& inode) = 0;
  /// The whole row but the type and the target, which never change.
  virtual Status update_inode(VolumeNumber volume, const InodeRow& inode) = 0;

  virtual Result<std::optional<SlotRow>> find_slot(VolumeNumber volume, InodeId directory,
                                                   const NameToken& token) const = 0;
  /// Sequence of the commit that emptied a slot; 0: none known.
  virtual Result<Sequence> find_vacated(VolumeNumber volume, InodeId directory, const NameToken& token) const = 0;
  virtual Status insert_slot(VolumeNumber volume, InodeId directory, const NameToken& token, const SlotRow& slot) = 0;
  virtual Status remove_slot(VolumeNumber volume, InodeId directory, const NameToken& token, Sequence sequence) = 0;
  /// Forgets vacated slots up to `up_to`.
  virtual Status drop_vacated(VolumeNumber volume, Sequence up_to) = 0;
  /// Tokens in order.
  virtual Result<std::vector<NameToken>> list_tokens(VolumeNumber volume, InodeId directory,
                                                     std::size_t limit) const = 0;
  /// Entries in order of token after `after` (zeros: from the start); ends early when `visit` answers false.
  virtual Status visit_entries(VolumeNumber volume, InodeId directory, const NameToken& after, std::size_t limit,
                               const std::function<Result<bool>(EntryRow)>& visit) const = 0;

  /// Errors: NotFound.
  virtual Result<Bytes> find_manifest(VolumeNumber volume, InodeId inode, Sequence version) const = 0;
  virtual Status insert_version(VolumeNumber volume, const VersionRow& version) = 0;
  /// All versions of an inode, oldest first.
  virtual Result<std::vector<VersionRow>> list_versions(VolumeNumber volume, InodeId inode) const = 0;

  /// Newest first, those before `before` (0: all).
  virtual Result<std::vector<VersionSummaryRow>> list_version_summaries(VolumeNumber volume, InodeId inode,
                                                                        Sequence before, std::size_t limit) const = 0;

  virtual Result<std::vector<SetXattr>> list_xattrs(VolumeNumber volume, InodeId inode) const = 0;
  virtual Result<bool> has_xattr(VolumeNumber volume, InodeId inode, const NameToken& token) const = 0;
  virtual Result<std::uint64_t> xattrs_bytes(VolumeNumber volume, InodeId inode) const = 0;   ///< sealed, together
  /// `sealed` empty: removes it.
  virtual Status put_xattr(VolumeNumber volume, const SetXattr& xattr, Sequence sequence) = 0;

  virtual Result<std::optional<TrashRow>> find_trash(VolumeNumber volume, InodeId inode) const = 0;
  /// What was linked last in a directory, after `after`; `token` not zero: only under that name.
  virtual Result<std::vector<TrashRow>> list_trash(VolumeNumber volume, InodeId directory, const NameToken& token,
                                                   const TrashCursor& after, std::size_t limit) const = 0;
  virtual Status put_trash(VolumeNumber volume, const TrashRow& row) = 0;
  virtual Status remove_trash(VolumeNumber volume, InodeId inode) = 0;
};

}  // namespace skymoor::server
