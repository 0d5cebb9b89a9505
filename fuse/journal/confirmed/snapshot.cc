// What sync reads: its position, the pending records, and the confirmed tree as a snapshot.
#include <algorithm>
#include <set>

#include "fuse/journal/store/store.h"

namespace skymoor::client {
namespace {

/// The confirmed tree over a connection of its own, inside one read transaction. An object's confirmed state is its base
/// row where there is one, else its visible row unless that is pending.
class ConfirmedSnapshot final : public MetadataStore::Confirmed {
 public:
  static Result<std::unique_ptr<Confirmed>> open(const std::string& path) {
    auto db = TRY(sqlite::Database::open(path, {.cache_kib = 4096}));
    TRY(db->execute("PRAGMA query_only=1;BEGIN"));
    std::unique_ptr<ConfirmedSnapshot> snapshot(new ConfirmedSnapshot);
    snapshot->sql_ = TRY(SqlTables::open(std::move(db)));
    snapshot->acknowledged_ = Lsn{TRY(snapshot->sql_->meta_number("acknowledged"))};
    sqlite::Database& connection = snapshot->sql_->db();
    snapshot->base_links_ = TRY(connection.prepare("SELECT directory,name FROM base_dentry WHERE present=1 AND inode=?1"));
    // Both tables in byte order of the name; a visible name counts unless it is pending or has a base row.
    snapshot->names_ = TRY(connection.prepare(
        "SELECT name FROM (SELECT name FROM base_dentry WHERE directory=?1 AND present=1 AND name>?2 UNION ALL "
        "SELECT d.name FROM dentry d WHERE d.directory=?1 AND d.name>?2 AND d.changed<=?3 AND NOT EXISTS "
        "(SELECT 1 FROM base_dentry b WHERE b.directory=d.directory AND b.name=d.name)) ORDER BY name LIMIT ?4"));
    return std::unique_ptr<Confirmed>(std::move(snapshot));
  }

  Result<std::optional<InodeRow>> inode(InodeId id) override {
    if (auto base = TRY(sql_->base_inode(id))) {
      if (base->row && base->row->links > 0) return std::move(base->row);
      return dead(id);
    }
    auto row = TRY(sql_->inode(id));
    if (row && row->changed <= acknowledged_ && row->links > 0) return row;
    return dead(id);
  }

  Result<std::optional<InodeId>> dentry(InodeId directory, std::string_view name) override {
    auto row = TRY(dentry_row(directory, name));
    if (!row) TRY(check_listed(directory));
    return row ? std::optional<InodeId>(row->inode) : std::nullopt;
  }

  Result<std::vector<DentryRow>> links(InodeId inode) override {
    std::vector<DentryRow> rows;
    for (DentryRow& row : TRY(sql_->links(inode)))
      if (row.changed <= acknowledged_ && !TRY(sql_->base_dentry(row.directory, row.name))) rows.push_back(std::move(row));
    ResetOnExit reset(base_links_);
    base_links_.bind(1, inode.value);
    while (TRY(base_links_.step())) {
      auto base = TRY(sql_->base_dentry(InodeId{base_links_.u64(0)}, as_text(base_links_.blob(1))));
      if (base && base->row) rows.push_back(std::move(*base->row));
    }
    return rows;
  }

  Result<std::optional<DentryRow>> last_place(InodeId dead_inode) override {
    auto tombstone = TRY(sql_->tombstone(dead_inode));
    return tombstone ? std::optional<DentryRow>(std::move(tombstone->place)) : std::nullopt;
  }

  Result<bool> has_children(InodeId directory) override { return !TRY(children(directory, "", 1)).empty(); }

  Result<std::vector<std::string>> children(InodeId directory, std::string_view after, std::size_t limit) override {
    ResetOnExit reset(names_);
    names_.bind(1, directory.value).bind_blob(2, as_bytes(after)).bind(3, acknowledged_.value).bind(4, std::uint64_t{limit});
    std::vector<std::string> names;
    while (TRY(names_.step())) names.emplace_back(as_text(names_.blob(0)));
    if (names.size() < limit) TRY(check_listed(directory));
    return names;
  }

  Result<ContentRow> content(InodeId inode) override {
    ContentRow row;
    row.inode = inode;
    auto manifest = TRY(sql_->base_manifest(inode));
    if (!manifest) manifest = TRY(sql_->manifest(inode));
    if (!manifest) return row;
    row.manifest_content = manifest->content;
    row.manifest = std::move(manifest->manifest);
    return row;
  }

  Result<std::optional<Bytes>> xattr(InodeId inode, std::string_view name) override {
    if (auto base = TRY(sql_->base_xattr(inode, name)))
      return base->row ? std::optional<Bytes>(std::move(base->row->value)) : std::nullopt;
    auto row = TRY(sql_->xattr(inode, name));
    if (!row || row->changed > acknowledged_) return std::optional<Bytes>{};
    return std::optional<Bytes>(std::move(row->value));
  }

  Result<std::vector<std::string>> xattr_names(InodeId inode) override {
    auto find = TRY(sql_->db().prepare("SELECT name FROM xattr WHERE inode=?1 UNION "
                                       "SELECT name FROM base_xattr WHERE inode=?1 AND present=1 ORDER BY name"));
    find.bind(1, inode.value);
    std::vector<std::string> names;
    while (TRY(find.step())) names.emplace_back(as_text(find.blob(0)));
    return names;
  }

  Result<std::vector<std::pair<std::string, Bytes>>> xattrs(InodeId inode) override {
    std::vector<std::pair<std::string, Bytes>> found;
    for (const std::string& name : TRY(xattr_names(inode)))
      if (auto value = TRY(xattr(inode, name))) found.emplace_back(name, std::move(*value));
    return found;
  }

  Result<std::vector<InodeId>> changed_after(Sequence sequence) override {
    std::vector<InodeId> found;
    auto all = TRY(sql_->db().prepare("SELECT id FROM inode UNION SELECT id FROM base_inode ORDER BY 1"));
    while (TRY(all.step())) {
      const InodeId id{all.u64(0)};
      const auto row = TRY(inode(id));
      if (row && row->links > 0 && row->version > sequence) found.push_back(id);
    }
    return found;
  }

 private:
  ConfirmedSnapshot() = default;

  Result<std::optional<DentryRow>> dentry_row(InodeId directory, std::string_view name) {
    if (auto base = TRY(sql_->base_dentry(directory, name))) return std::move(base->row);
    auto row = TRY(sql_->dentry(directory, name));
    if (row && row->changed <= acknowledged_) return row;
    return std::optional<DentryRow>{};
  }

  /// A name that is not known here may still be at the server, if the directory lives and was not listed.
  Status check_listed(InodeId directory) {
    const auto base = TRY(sql_->base_inode(directory));
    const auto visible = TRY(sql_->inode(directory));
    const bool clean = visible && visible->changed <= acknowledged_;
    const InodeRow* row = base ? (base->row ? &*base->row : nullptr) : clean ? &*visible : nullptr;
    if (!row || row->links == 0) return {};  // dead, or made here: nothing is in it but what is known
    if (visible ? visible->listed : row->listed) return {};
    return Error(Code::kNotPresent, "directory is not listed");
  }

  Result<std::optional<InodeRow>> dead(InodeId id) {
    auto tombstone = TRY(sql_->tombstone(id));
    if (!tombstone) return std::optional<InodeRow>{};
    tombstone->row.links = 0;
    tombstone->row.parent = tombstone->place.directory;
    return std::optional<InodeRow>(std::move(tombstone->row));
  }

  std::unique_ptr<SqlTables> sql_;
  Lsn acknowledged_;
  sqlite::Statement base_links_, names_;
};

}  // namespace

Status JournaledMetadataStore::write_position(SqlTables& sql, const SyncPosition& position) {
  TRY(sql.put_meta("epoch", std::uint64_t{position.epoch.value}));
  TRY(sql.put_meta("cursor", position.cursor.value));
  TRY(sql.put_meta("hash", position.hash.view()));
  return sql.put_meta("acknowledged", position.acknowledged.value);
}

SyncPosition JournaledMetadataStore::position() {
  MutexLock lock(status_mutex_);
  return position_;
}

// Nothing leaves this device that a power cut could still take back: its number would be given to something else, and
// the server would take that for the same operation.
Result<std::vector<LogRecord>> JournaledMetadataStore::records_after(Lsn lsn, std::size_t max_records,
                                                                     std::size_t max_bytes) {
  Lsn last = log_->last();
  std::vector<LogRecord> records;
  if (lsn >= last || max_records == 0) return records;
  TRY(sync(last));
  std::size_t bytes = 0;
  auto visit = [&](const LogFrame& frame) -> Result<bool> {
    if (frame.kind != FrameKind::kRecord) return true;
    if (frame.lsn > last || records.size() >= max_records || (bytes > 0 && bytes + frame.body.size() > max_bytes))
      return false;
    bytes += frame.body.size();
    records.push_back(TRY(decode_record(frame.body)));
    return true;
  };
  TRY(log_->read(Lsn{lsn.value + 1}, visit));
  return records;
}

std::optional<Timestamp> JournaledMetadataStore::time_of(Lsn lsn) {
  std::optional<Timestamp> time;
  Status done = log_->read(lsn, [&](const LogFrame& frame) -> Result<bool> {
    if (frame.kind != FrameKind::kRecord) return true;
    time = TRY(decode_record(frame.body)).time;
    return false;
  });
  return done.ok() ? time : std::nullopt;
}

MetadataStore::Pending JournaledMetadataStore::pending() {
  Pending pending;
  Lsn first{acknowledged_ + 1};
  Lsn last = log_->last();
  pending.records = last >= first ? last.value - first.value + 1 : 0;
  pending.files = dirty_files_;
  pending.bytes = dirty_bytes_;
  if (pending.records == 0) return pending;
  {
    MutexLock lock(status_mutex_);
    if (oldest_ && oldest_->first == first) pending.oldest = oldest_->second;
  }
  if (pending.oldest) return pending;
  pending.oldest = time_of(first);
  if (pending.oldest) {
    MutexLock lock(status_mutex_);
    oldest_ = {first, *pending.oldest};
  }
  return pending;
}

Result<std::vector<InodeId>> JournaledMetadataStore::dirty_inodes() {
  MutexLock one(checkpoint_mutex_);
  MutexLock lock(mutex_);
  if (memory_lsn_ > applied_) {
    MutexLock writer(writer_mutex_);
    TRY(checkpoint_inline(lock, writer));
  }
  auto find = TRY(reads_->db().prepare("SELECT inode FROM content WHERE dirty_bytes>0 ORDER BY inode"));
  std::vector<InodeId> ids;
  while (TRY(find.step())) ids.push_back(InodeId{find.u64(0)});
  return ids;
}

Result<std::unique_ptr<MetadataStore::Confirmed>> JournaledMetadataStore::confirmed() {
  return ConfirmedSnapshot::open(database_path_);
}

}  // namespace skymoor::client
