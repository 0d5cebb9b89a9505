// ConfirmedEdit: one transaction's worth of changes to the confirmed tree, and what they do to the visible one.
#pragma once
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fuse/journal/store/store.h"

namespace skymoor::client {

/// Confirmed rows are loaded, changed here, and written by `write` inside the caller's transaction; `publish` tells the
/// tables in memory once that has been committed.
///
/// What is written where, for each object: while a local change of it is pending, its base row (the visible one stays,
/// and a foreign change asks for a re-plan); else its visible row. An object is pending while its last record is behind
/// `acknowledged`, the acknowledgement as it will be after the transaction; and a name while an inode is that it comes to,
/// or goes from.
///
/// Not thread-safe; lives under the store's locks. Failure: forget it and roll back, nothing outside has changed.
class ConfirmedEdit {
 public:
  struct Options {
    Sequence sequence;
    Lsn acknowledged;   ///< after the transaction
    bool own = false;   ///< this device's own commit: visible rows that it covers are right already
  };
  ConfirmedEdit(JournaledMetadataStore& store, const MutexLock& lock, SqlTables& sql, Options options)
      : store_(store), lock_(lock), sql_(sql), options_(options) {}

  struct Inode {
    std::optional<InodeRow> row;         ///< confirmed, as it is now in this edit
    std::optional<InodeRow> before;      ///< and as it was
    std::optional<InodeRow> stored;      ///< visible row in the database
    std::optional<BaseRow<InodeRow>> base;
    std::optional<ManifestRow> put;      ///< new confirmed content
    std::optional<DentryRow> last_place; ///< of its last unlink
    bool fresh = false;                  ///< made in this edit
    bool reachable = true;               ///< of a fresh one: has a name in a directory that is known here
    bool linked = true;                  ///< of a directory
  };
  struct Dentry {
    std::optional<DentryRow> row, before, stored;
    std::optional<BaseRow<DentryRow>> base;
  };
  struct Xattr {
    std::optional<Bytes> value, before;
    std::optional<XattrRow> stored;
    std::optional<BaseRow<XattrRow>> base;
  };

  // Loaded on first use; the pointers stay good as long as the edit.
  Result<Inode*> inode(InodeId id);
  Result<Dentry*> dentry(InodeId directory, std::string_view name);
  Result<Xattr*> xattr(InodeId inode, std::string_view name);

  /// Applies an effect of a commit, in order.
  Status apply(const TreeEffect& effect);
  /// A page of a listing of the directory is about to be merged; `whole`: the only one.
  Status expect_listing(InodeId directory, bool whole);
  /// Whether nobody can have been told what is not in that directory: it was never listed.
  bool reveals() const { return reveals_; }
  /// The inode's version is a number of a history that counts no more: whatever a listing says is newer.
  Status forget_version(InodeId id);
  /// The server does not have the inode.
  Status remove(InodeId id);
  /// Writes an entry of a listing whose inode and name were never heard of here, as nearly all are. False: it has to be
  /// merged (some of it may be written; merging finds that).
  Result<bool> add_unheard(InodeId directory, const MetadataStore::ListedRow& listed);
  /// Takes over an inode as the server listed it, if that is newer than what is known.
  Status merge(const MetadataStore::ListedRow& listed);
  Status merge_name(InodeId directory, const MetadataStore::ListedRow& listed);
  /// The names known here of a directory that is about to be listed; empty when none is.
  Result<std::unordered_set<std::string>> known_names(InodeId directory);
  /// A complete listing did not have it; what became of the inode the feed tells.
  Status drop_name(InodeId directory, std::string_view name);
  /// Own commits: everything whose last record the commit covers is looked at, not only what its effects name.
  Status settle_covered();
  /// The directory is (not) known in full from now on.
  Status set_listed(InodeId directory, bool listed);

  Status write(VisibleChanges& changes);
  /// Inodes and names that were written.
  std::size_t rows() const { return new_inodes_.size() + new_dentries_.size(); }
  void publish();

 private:
  Status apply_one(const NewEffect& effect);
  Status apply_one(const LinkEffect& effect);
  Status apply_one(const UnlinkEffect& effect);
  Status apply_one(const PutEffect& effect);
  Status apply_one(const AttributeEffect& effect);
  Status apply_one(const XattrEffect& effect);
  Status settle_sent_ahead();
  Status settle_unsent();
  Status revive(InodeId id, Inode& inode);
  Result<bool> any_base();
  Result<bool> any_xattr();
  bool known_before(const Inode& inode) const;  ///< a listing brought a state that includes this commit
  bool listed_since(InodeId directory) const;
  Status fit_names(InodeId id, const NameKey& put);
  Status doubt_absence(InodeId directory, const std::string& name);
  Result<bool> knows_slot(InodeId directory, const std::string& slot_name, const Dentry& slot);

  struct Patch {
    std::optional<bool> listed, has_xattrs;
  };
  Status patch_flags(InodeId id, const Patch& patch);
  struct Visible {
    std::optional<InodeRow> row;
    Lsn changed;
  };
  Visible visible(InodeId id, const Inode& inode) const;
  struct VisibleName {
    std::optional<DentryRow> row;
    Lsn changed;
  };
  VisibleName visible(const NameKey& key, const Dentry& dentry) const;
  Status find_held();
  Result<Lsn> would_wait(InodeId id);
  struct ContentState {
    ContentRow row;
    Lsn changed;
    std::uint64_t dirty_before = 0;  ///< bytes
  };
  Result<ContentState> content(InodeId id);

  Status write_inode(InodeId id, Inode& inode, VisibleChanges& changes);
  Status write_pending(InodeId id, Inode& inode, const Visible& seen, VisibleChanges& changes);
  Status write_clean(InodeId id, Inode& inode, const Visible& seen, VisibleChanges& changes);
  InodeRow shown(const Inode& inode, const Visible& seen) const;
  bool is_orphan(const Visible& seen) const;
  Result<ManifestRow> manifest_for(InodeId id, const OpId& wanted);
  Result<bool> content_pending(InodeId id, const Inode& inode, const Visible& seen, bool row_pending);
  Status write_put(InodeId id, const ManifestRow& put, bool pending, bool own_bytes, VisibleChanges& changes);
  Status write_content(InodeId id, ContentState content, const ManifestRow& manifest);
  Status bury(InodeId id, const Inode& inode);
  Result<Lsn> waits_for(InodeId id);
  Status write_dentry(const NameKey& key, Dentry& dentry, VisibleChanges& changes);
  Status write_xattr(const NameKey& key, Xattr& xattr, VisibleChanges& changes);
  void publish_names();

  JournaledMetadataStore& store_;
  const MutexLock& lock_;
  SqlTables& sql_;
  const Options options_;
  std::unordered_map<InodeId, Inode> inodes_;
  std::unordered_map<NameKey, Dentry, NameHash, NameEqual> dentries_;
  std::unordered_map<NameKey, Xattr, NameHash, NameEqual> xattrs_;
  std::unordered_map<InodeId, Lsn> held_;               // inodes that names which have to wait show, and their last records
  std::unordered_map<InodeId, Lsn> waiting_;            // pending inodes that this edit has written, and their last records
  std::optional<bool> any_base_, any_xattr_;
  InodeId empty_directory_;                             // the database holds none of its entries
  InodeId listing_;                                     // a page of its listing is being merged
  bool reveals_ = false;                                // and nobody was told an absence in it
  bool whole_ = false;                                  // and all of it, in a directory without any entry before
  std::unordered_map<InodeId, bool> listed_;            // new value of the flag
  std::unordered_map<InodeId, bool> has_xattrs_;
  std::vector<NameKey> doubted_;                        // names whose absence somebody may remember
  std::vector<InodeId> remembered_;                     // inodes of which somebody may remember what once was
  std::vector<InodeId> unlisted_;                       // directories that were known in full, and are not
  std::vector<InodeId> orphans_;                        // that nothing pending can bring back

  // What to tell memory after the transaction.
  std::vector<std::pair<InodeId, std::optional<InodeRow>>> new_inodes_;
  std::vector<std::pair<NameKey, std::optional<DentryRow>>> new_dentries_;
  std::vector<ContentState> new_contents_;
  std::vector<InodeId> cleaned_, stale_contents_;
  std::unordered_map<InodeId, Patch> patches_;
  std::uint64_t more_inodes_ = 0, more_bytes_ = 0;      // modulo 2^64
};

/// The ranges of `valid` that hold the same bytes under the new manifest as under the old one: where both name the same
/// block, or the same hole, at the same place.
ExtentSet kept_ranges(const ExtentSet& valid, const ManifestRow& before, const ManifestRow& after);

}  // namespace skymoor::client
