// SqlTables: the rows in metadata.db, over one connection. Schema: JOURNAL.md.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "fuse/journal/rows.h"
#include "shared/sqlite/database.h"

namespace skymoor::client {

/// Brings a new or older database to the present schema. Errors: Corrupt for a newer one.
Status migrate_metadata(sqlite::Database& db);

struct XattrRow {
  Bytes value;
  Lsn changed;
};
/// A row of the confirmed tree kept aside: `row` empty says that the object was not there.
template <typename Row>
struct BaseRow {
  std::optional<Row> row;
  Lsn changed;              ///< last local record that touched the object
};
/// What stands for the bytes of a file that are not in its backing file.
struct ManifestRow {
  OpId content;
  Bytes manifest;
};
/// The last state and place of an inode that died in the confirmed tree while records were pending.
struct Tombstone {
  InodeRow row;
  DentryRow place;
  Lsn last;                 ///< goes when records up to here are acknowledged
};

/// Prepared statements for every row. Not thread-safe: used under the lock of whoever owns the connection. Owns the
/// connection. Failure: as the database's; the caller's transaction decides what becomes of it.
class SqlTables {
 public:
  static Result<std::unique_ptr<SqlTables>> open(std::unique_ptr<sqlite::Database> db);
  sqlite::Database& db() { return *db_; }

  // Visible rows. Nothing: not there.
  Result<std::optional<InodeRow>> inode(InodeId id);
  Status put_inode(const InodeRow& row);
  Status erase_inode(InodeId id);
  Result<std::optional<DentryRow>> dentry(InodeId directory, std::string_view name);
  Status put_dentry(const DentryRow& row);
  /// Puts a row unless there is one; answers whether it did.
  Result<bool> add_dentry(const DentryRow& row);
  Result<bool> add_inode(const InodeRow& row);
  Status erase_dentry(InodeId directory, std::string_view name);
  Result<std::optional<XattrRow>> xattr(InodeId inode, std::string_view name);
  Result<std::vector<std::string>> xattr_names(InodeId inode);
  Status put_xattr(InodeId inode, std::string_view name, const XattrRow& row);
  Status erase_xattr(InodeId inode, std::string_view name);
  /// Extents without the manifest. `era`: ranges noted in an older one are valid only where dirty.
  struct Extents {
    ExtentSet valid, dirty;
    Lsn changed;
  };
  Result<std::optional<Extents>> extents(InodeId inode, std::uint64_t era);
  Status put_extents(InodeId inode, const Extents& extents, std::uint64_t era);
  Status erase_extents(InodeId inode);
  Result<std::optional<ManifestRow>> manifest(InodeId inode);
  Status put_manifest(InodeId inode, const ManifestRow& row);
  Status erase_manifest(InodeId inode);
  /// Both, as one row; an empty one when there is neither.
  struct Content {
    ContentRow row;
    Lsn changed;
    bool exists = false;
  };
  Result<Content> content(InodeId inode, std::uint64_t era);

  /// Entries of a directory with a cookie greater than `after`, in order, until `visit` answers false; with the inode's
  /// row as it stands here.
  using VisitEntry = std::function<bool(DentryRow&&, std::optional<InodeRow>&&)>;
  Status entries(InodeId directory, std::uint64_t after, bool with_inodes, const VisitEntry& visit);
  Result<std::vector<DentryRow>> links(InodeId inode);

  // Base rows.
  Result<std::optional<BaseRow<InodeRow>>> base_inode(InodeId id);
  Status put_base_inode(InodeId id, const BaseRow<InodeRow>& base);
  Status erase_base_inode(InodeId id);
  Result<std::optional<BaseRow<DentryRow>>> base_dentry(InodeId directory, std::string_view name);
  Status put_base_dentry(InodeId directory, std::string_view name, const BaseRow<DentryRow>& base);
  Status erase_base_dentry(InodeId directory, std::string_view name);
  Result<std::optional<BaseRow<XattrRow>>> base_xattr(InodeId inode, std::string_view name);
  Status put_base_xattr(InodeId inode, std::string_view name, const BaseRow<XattrRow>& base);
  Status erase_base_xattr(InodeId inode, std::string_view name);
  Result<std::optional<ManifestRow>> base_manifest(InodeId inode);
  Status put_base_manifest(InodeId inode, const ManifestRow& row);
  Status erase_base_manifest(InodeId inode);

  Result<bool> any_base();    ///< of an inode, a name, an xattr or a manifest
  Result<bool> any_xattr();
  /// The names of the confirmed tree that are known here of a directory.
  Result<std::unordered_set<std::string>> confirmed_names(InodeId directory, Lsn acknowledged);

  // Keeps the visible row aside before its first pending change: does nothing if a base row is there already (only
  // its `changed` moves on) or if the visible row is itself pending (changed after `acknowledged`). Answers whether
  // there is a base row now.
  Result<bool> capture_inode(InodeId id, Lsn acknowledged, Lsn changed);
  Result<bool> capture_dentry(InodeId directory, std::string_view name, Lsn acknowledged, Lsn changed);
  Result<bool> capture_xattr(InodeId inode, std::string_view name, Lsn acknowledged, Lsn changed);
  Status capture_manifest(InodeId inode);

  Result<std::optional<Tombstone>> tombstone(InodeId id);
  Status put_tombstone(const Tombstone& tombstone);
  Status erase_tombstone(InodeId id);
  Status erase_tombstones_up_to(Lsn acknowledged);   ///< but those that still show: records are made about them
  Status keep_tombstones_until(Lsn last);

  Result<std::optional<Bytes>> meta(std::string_view key);
  Status put_meta(std::string_view key, ByteView value);
  Result<std::uint64_t> meta_number(std::string_view key);   ///< 0 when there is none
  Status put_meta(std::string_view key, std::uint64_t value);

 private:
  explicit SqlTables(std::unique_ptr<sqlite::Database> db) : db_(std::move(db)) {}
  Status prepare();
  Result<std::vector<DentryRow>> dentries(sqlite::Statement& statement);

  std::unique_ptr<sqlite::Database> db_;
  struct {
    sqlite::Statement get, put, add, erase, get_base, put_base, erase_base, capture, touch;
  } inode_, dentry_, xattr_;
  struct {
    sqlite::Statement get, put, erase;
  } extents_, manifest_, base_manifest_, tombstone_;
  sqlite::Statement entries_, entries_with_inodes_, links_, xattr_names_, capture_manifest_, erase_tombstones_, keep_tombstones_,
      get_meta_, put_meta_, any_base_, any_xattr_, confirmed_names_;
  ByteWriter body_;   // of the row that is being written
};

/// Resets a statement when the scope ends: a statement left open would hold its snapshot of the database.
class ResetOnExit {
 public:
  explicit ResetOnExit(sqlite::Statement& statement) : statement_(statement) {}
  ~ResetOnExit() { statement_.reset(); }
  ResetOnExit(const ResetOnExit&) = delete;
  ResetOnExit& operator=(const ResetOnExit&) = delete;

 private:
  sqlite::Statement& statement_;
};

/// Columns id, changed, body of an inode row from `column` on, and inode, type, cookie, changed of a dentry.
Result<InodeRow> inode_from(const sqlite::Statement& statement, int column);

}  // namespace skymoor::client
