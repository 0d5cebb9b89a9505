// Re-plan: everything pending is taken back, then made again as the planner now sees it. And the start as a fresh mirror.
#include <algorithm>
#include <map>
#include <set>

#include "fuse/journal/confirmed/confirmed_edit.h"
#include "fuse/journal/tables/row_codec.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kFlushEvery = 2048;  // records whose rows are held in memory
constexpr int kRevertAtOnce = 1000;

}  // namespace

/// One rebase, inside one transaction of the writing connection, which reads go through meanwhile. Lives under the
/// store's locks. Failure: the caller rolls back and forgets what is in memory.
class Rebase {
 public:
  Rebase(JournaledMetadataStore& store, const MutexLock& lock, VisibleChanges& changes)
      : store_(store), lock_(lock), sql_(*store.writer_), changes_(changes), acknowledged_(store.acknowledged_) {}

  Status revert();
  Status redo(const MetadataStore::Redo& redo);
  Status finish();
  bool moved_any() const { return moved_any_; }

 private:
  Status find_contents();
  Status revert_inodes();
  Result<std::vector<NameKey>> next_names(sqlite::Statement& find);
  Status revert_dentries();
  Status revert_xattrs();
  Status redo_one(const LogRecord& record, std::vector<RowChange> answer);
  Status note_names(const std::vector<RowChange>& changes);
  Status note_name(InodeId directory, const std::string& name);
  Status report_names();
  Status keep_access_times();
  void report(const std::vector<RowChange>& changes);
  void erase_row(const EraseInode& erase, Lsn lsn);
  Status moved(const MoveContent& move, const std::shared_ptr<CachedContent>& content);
  Status flush();
  Status finish_content(InodeId id);
  Status check_held(InodeId id, const SqlTables::Content& content, std::optional<OpId> now);
  bool names_pending(const OpId& content) const {
    return content.writer == store_.identity_.writer && content.counter > acknowledged_.value;
  }

  JournaledMetadataStore& store_;
  const MutexLock& lock_;
  SqlTables& sql_;
  VisibleChanges& changes_;
  const Lsn acknowledged_;
  std::set<InodeId> touched_;        // content rows with something pending about them
  std::set<InodeId> was_pending_;    // of them: the visible row named a pending record's content
  std::set<InodeId> put_;            // rows that came, went or changed
  std::set<InodeId> was_orphan_;     // of them: had no name
  // What each name stood for before, and its place in the listing: a name that comes back to what it was keeps the place,
  // and nobody is told (the kernel would take a directory in use for a removed one).
  struct Name {
    InodeId inode;
    std::uint64_t cookie = 0;
  };
  std::map<NameKey, Name> names_;
  std::map<InodeId, Timestamp> accessed_;   // as shown before: no record speaks of it
  std::set<InodeId> moved_;          // gave their content away in this rebase
  bool moved_any_ = false;
};

// Before anything is reverted: the visible rows still say whose content is pending.
Status Rebase::find_contents() {
  auto find = TRY(sql_.db().prepare("SELECT inode FROM content WHERE changed>0 AND changed>?1 UNION "
                                    "SELECT inode FROM content WHERE dirty_bytes>0 UNION "
                                    "SELECT inode FROM base_manifest"));
  find.bind(1, acknowledged_.value);
  while (TRY(find.step())) touched_.insert(InodeId{find.u64(0)});
  for (InodeId id : touched_) {
    auto row = TRY(sql_.inode(id));
    if (row && names_pending(row->content)) was_pending_.insert(id);
  }
  return {};
}

Status Rebase::revert() {
  TRY(find_contents());
  TRY(revert_inodes());
  TRY(revert_dentries());
  return revert_xattrs();
}

// Each row that is reverted leaves the set that is asked for, so the loops end.
Status Rebase::revert_inodes() {
  auto find = TRY(sql_.db().prepare("SELECT id FROM base_inode UNION SELECT id FROM inode WHERE changed>0 AND changed>?1 "
                                    "LIMIT " + std::to_string(kRevertAtOnce)));
  for (;;) {
    std::vector<InodeId> ids;
    find.bind(1, acknowledged_.value);
    while (TRY(find.step())) ids.push_back(InodeId{find.u64(0)});
    find.reset();
    if (ids.empty()) return {};
    for (InodeId id : ids) {
      auto visible = TRY(sql_.inode(id));
      auto base = TRY(sql_.base_inode(id));
      std::optional<InodeRow> row = base ? std::move(base->row) : std::nullopt;
      if (row && visible) {
        if (visible->links > 0) row->listed = visible->listed;   // else it says nothing of the one that has come back
        row->has_xattrs = row->has_xattrs || visible->has_xattrs;
      }
      if (visible) accessed_[id] = visible->attributes.atime;
      if (visible && visible->links == 0) was_orphan_.insert(id);
      store_.count(lock_, visible ? &*visible : nullptr, row ? &*row : nullptr);
      TRY(row ? sql_.put_inode(*row) : sql_.erase_inode(id));
      if (!row) store_.outlived_.add(id);
      put_.insert(id);
      TRY(sql_.erase_base_inode(id));
      changes_.attributes.push_back(id);
    }
  }
}

/// The next few that `find` names and that were not reverted yet.
Result<std::vector<NameKey>> Rebase::next_names(sqlite::Statement& find) {
  std::vector<NameKey> keys;
  find.bind(1, acknowledged_.value);
  while (TRY(find.step())) keys.emplace_back(InodeId{find.u64(0)}, std::string(as_text(find.blob(1))));
  find.reset();
  return keys;
}

Status Rebase::revert_dentries() {
  auto find = TRY(sql_.db().prepare("SELECT directory,name FROM base_dentry UNION "
                                    "SELECT directory,name FROM dentry WHERE changed>0 AND changed>?1 LIMIT " +
                                    std::to_string(kRevertAtOnce)));
  for (;;) {
    const std::vector<NameKey> keys = TRY(next_names(find));
    if (keys.empty()) return {};
    for (const NameKey& key : keys) {
      TRY(note_name(key.owner, key.name));
      auto base = TRY(sql_.base_dentry(key.owner, key.name));
      if (base && base->row) TRY(sql_.put_dentry(*base->row));
      else TRY(sql_.erase_dentry(key.owner, key.name));
      TRY(sql_.erase_base_dentry(key.owner, key.name));
    }
  }
}

Status Rebase::revert_xattrs() {
  auto find = TRY(sql_.db().prepare("SELECT inode,name FROM base_xattr UNION "
                                    "SELECT inode,name FROM xattr WHERE changed>0 AND changed>?1 LIMIT " +
                                    std::to_string(kRevertAtOnce)));
  for (;;) {
    const std::vector<NameKey> keys = TRY(next_names(find));
    if (keys.empty()) return {};
    for (const NameKey& key : keys) {
      auto base = TRY(sql_.base_xattr(key.owner, key.name));
      if (base && base->row) TRY(sql_.put_xattr(key.owner, key.name, *base->row));
      else TRY(sql_.erase_xattr(key.owner, key.name));
      TRY(sql_.erase_base_xattr(key.owner, key.name));
      changes_.attributes.push_back(key.owner);
    }
  }
}

Status Rebase::redo(const MetadataStore::Redo& redo) {
  auto visit = [&](const LogFrame& frame) -> Result<bool> {
    if (frame.kind != FrameKind::kRecord) return true;
    LogRecord record = TRY(decode_record(frame.body));
    std::vector<RowChange> answer = TRY(redo(lock_, record));
    TRY(redo_one(record, std::move(answer)));
    if (record.lsn.value % kFlushEvery == 0) TRY(flush());
    return true;
  };
  if (store_.log_->last() > acknowledged_) TRY(store_.log_->read(Lsn{acknowledged_.value + 1}, visit));
  return flush();
}

// Content rows that something pending is about stay as they are until a MoveContent takes them: what a record did to
// them is in them already. So of content, an answer counts only for inodes that had none.
Status Rebase::redo_one(const LogRecord& record, std::vector<RowChange> answer) {
  for (const RowChange& change : answer)
    if (const auto* move = std::get_if<MoveContent>(&change)) touched_.insert({move->from, move->to});
  std::erase_if(answer, [this](const RowChange& change) {
    if (const auto* mark = std::get_if<MarkContent>(&change)) return touched_.count(mark->inode) > 0;
    if (const auto* put = std::get_if<PutManifest>(&change))
      return touched_.count(put->inode) > 0 && moved_.count(put->inode) == 0;
    return std::holds_alternative<LogData>(change);
  });
  TRY(note_names(answer));
  TRY(store_.complete(lock_, answer));
  for (RowChange& change : answer)
    if (auto* put = std::get_if<PutDentry>(&change))
      if (const Name& before = names_.at({put->row.directory, put->row.name}); before.inode) put->row.cookie = before.cookie;
  TRY(store_.prepare(lock_, answer));
  const InodeId copy = store_.copy_of(record);
  for (const RowChange& change : answer) {
    // What records later than the one that made it do to it may come to nothing in the next re-plan.
    if (const auto* put = std::get_if<PutInode>(&change); put && put->row.id == copy) store_.copies_.insert(copy);
    const auto* move = std::get_if<MoveContent>(&change);
    std::shared_ptr<CachedContent> content;
    if (move)
      if (auto* entry = store_.contents_.peek(move->from)) content = entry->row;
    const auto* erase = std::get_if<EraseInode>(&change);
    if (erase && touched_.count(erase->inode)) erase_row(*erase, record.lsn);
    else std::visit([&](const auto& one) { store_.apply_one(lock_, one, record.lsn); }, change);
    if (move && content) TRY(moved(*move, content));
  }
  report(answer);
  store_.trim(lock_);
  return {};
}

Status Rebase::note_names(const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    if (const auto* put = std::get_if<PutDentry>(&change)) TRY(note_name(put->row.directory, put->row.name));
    if (const auto* erase = std::get_if<EraseDentry>(&change)) TRY(note_name(erase->directory, erase->name));
  }
  return {};
}

/// Called before the name is first touched: until then the database says what is shown.
Status Rebase::note_name(InodeId directory, const std::string& name) {
  NameKey key(directory, name);
  if (names_.contains(key)) return {};
  auto row = TRY(sql_.dentry(directory, name));
  names_.emplace(std::move(key), row ? Name{row->inode, row->cookie} : Name{});
  return {};
}

Status Rebase::report_names() {
  for (const auto& [key, before] : names_) {
    auto now = TRY(sql_.dentry(key.owner, key.name));
    if ((now ? now->inode : InodeId{}) != before.inode) changes_.names.push_back({key.owner, key.name});
  }
  return {};
}

Status Rebase::keep_access_times() {
  for (const auto& [id, atime] : accessed_) {
    auto row = TRY(sql_.inode(id));
    if (!row || row->attributes.atime >= atime) continue;
    row->attributes.atime = atime;
    TRY(sql_.put_inode(*row));
  }
  return {};
}

// A later record may bring it back, with bytes that are here already; what stays erased loses them at the end.
void Rebase::erase_row(const EraseInode& erase, Lsn lsn) {
  auto* entry = store_.contents_.peek(erase.inode);
  std::shared_ptr<CachedContent> content = entry ? entry->row : nullptr;
  const Lsn changed = entry ? entry->changed : Lsn{};
  store_.apply_one(lock_, erase, lsn);
  if (content) store_.put_content(lock_, erase.inode, std::move(content), changed);
}

// The confirmed content comes to stand where the moved one was.
Status Rebase::moved(const MoveContent& move, const std::shared_ptr<CachedContent>& content) {
  auto confirmed = std::make_shared<CachedContent>();
  confirmed->row.inode = move.from;
  confirmed->manifest_changed = true;
  if (auto base = TRY(sql_.base_manifest(move.from))) {
    confirmed->row.manifest_content = base->content;
    confirmed->row.manifest = std::move(base->manifest);
  } else {
    confirmed->row.manifest_content = content->row.manifest_content;
    confirmed->row.manifest = content->row.manifest;
  }
  TRY(sql_.erase_base_manifest(move.from));
  store_.put_content(lock_, move.from, std::move(confirmed), Lsn{});
  moved_any_ = true;
  moved_.insert(move.from);
  moved_.erase(move.to);
  changes_.contents.push_back(move.from);
  changes_.contents.push_back(move.to);
  return {};
}

void Rebase::report(const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    if (const auto* put = std::get_if<PutInode>(&change)) {
      changes_.attributes.push_back(put->row.id);
      put_.insert(put->row.id);
    }
    if (const auto* erase = std::get_if<EraseInode>(&change)) changes_.attributes.push_back(erase->inode);
    if (const auto* put = std::get_if<PutXattr>(&change)) changes_.attributes.push_back(put->inode);
    if (const auto* erase = std::get_if<EraseXattr>(&change)) changes_.attributes.push_back(erase->inode);
  }
}

Status Rebase::flush() {
  JournaledMetadataStore::Batch batch = store_.take_batch(lock_);
  TRY(store_.write_rows(batch, sql_));
  store_.settled(lock_, batch);
  return {};
}

Status Rebase::finish() {
  TRY(report_names());
  TRY(keep_access_times());
  // Until now what has died could be seen here, and records made about it.
  TRY(sql_.keep_tombstones_until(store_.log_->last()));
  for (InodeId id : touched_) TRY(finish_content(id));
  for (InodeId id : put_)
    if (!touched_.count(id)) TRY(finish_content(id));
  return {};
}

/// What was clean would become another version under the hands of whoever writes it; none: it would go. What was pending and is
/// not any more ends in the bytes of the other version, or was moved to a copy.
Status Rebase::check_held(InodeId id, const SqlTables::Content& content, std::optional<OpId> now) {
  if (was_pending_.contains(id) || was_orphan_.contains(id) || !content.row.dirty.empty()) return {};
  if (now == content.row.manifest_content) return {};
  return store_.may_be_replaced(lock_, id);
}

Status Rebase::finish_content(InodeId id) {
  auto visible = TRY(sql_.inode(id));
  auto base = TRY(sql_.base_inode(id));
  std::optional<InodeRow> confirmed = base ? base->row : visible && visible->changed <= acknowledged_ ? visible
                                                                                                      : std::nullopt;
  if (!visible) {
    const SqlTables::Content content = TRY(sql_.content(id, store_.era_));
    TRY(check_held(id, content, std::nullopt));
    if (confirmed && TRY(sql_.manifest(id))) TRY(sql_.capture_manifest(id));
    if (!confirmed) TRY(sql_.erase_base_manifest(id));
    TRY(sql_.erase_extents(id));
    return sql_.erase_manifest(id);
  }
  if (names_pending(visible->content) || moved_.count(id)) return {};
  SqlTables::Content content = TRY(sql_.content(id, store_.era_));
  // Written unseen, under no content id yet: the bytes exist nowhere else.
  if (!was_pending_.count(id) && !content.row.dirty.empty()) return {};
  ManifestRow now{content.row.manifest_content, content.row.manifest};
  if (auto kept_aside = TRY(sql_.base_manifest(id))) now = std::move(*kept_aside);
  if (now.content == OpId{} && content.row.valid.empty()) return {};  // nothing of it was ever here
  if (now.content != visible->content) now = {visible->content, {}};  // of a version that is no more: to be fetched
  TRY(check_held(id, content, now.content));
  ExtentSet clean = content.row.valid;
  for (const Extent& part : content.row.dirty.all()) clean.remove(part);
  ExtentSet valid = kept_ranges(clean, {content.row.manifest_content, content.row.manifest}, now);
  // It ends in the other version's bytes, and whoever has it open goes on with those that are there. What he writes leaves a sign.
  const bool held = store_.witness_ && store_.witness_->may_be_written(lock_, id);
  if (held && was_pending_.contains(id) && !was_orphan_.contains(id)) valid = content.row.valid;
  if (!(valid == content.row.valid) || now.content != content.row.manifest_content) changes_.contents.push_back(id);
  TRY(sql_.put_extents(id, {std::move(valid), {}, Lsn{}}, store_.era_));
  TRY(now.content == OpId{} ? sql_.erase_manifest(id) : sql_.put_manifest(id, now));
  return sql_.erase_base_manifest(id);
}

Result<VisibleChanges> JournaledMetadataStore::rebase(const Redo& redo,
                                                      const std::function<void(const MutexLock&)>& done_here) {
  MutexLock one(checkpoint_mutex_);
  TRY(checkpoint_locked());
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  MutexLock writer(writer_mutex_);
  TRY(checkpoint_inline(lock, writer));
  TRY(MustFinish::ready());
  held_back_ = 0;
  Totals totals = totals_;
  VisibleChanges changes;
  bool moved = false;
  auto run = [&]() -> Status {
    auto transaction = TRY(sqlite::Transaction::begin(writer_->db()));
    Rebase rebase(*this, lock, changes);
    TRY(rebase.revert());
    TRY(rebase.redo(redo));
    TRY(rebase.finish());
    moved = rebase.moved_any();
    TRY(writer_->put_meta("transaction", transaction_ + 1));
    TRY(writer_->put_meta("rebases", rebases_ + 1));
    TRY(disk_.fault("journal.rebase"));
    return transaction.commit();
  };
  forget_everything(lock);
  reads_ = writer_.get();
  Status done = contained(run);
  reads_ = reader_.get();
  MustFinish finishing;
  forget_everything(lock);
  if (!done.ok()) {
    totals_ = totals_on_disk_ = totals;
    TRY(recount_dirty());
    return std::move(done).error();
  }
  ++transaction_;
  ++rebases_;
  dependency_write_ = ++database_writes_;
  TRY(recount_dirty());
  done_here(lock);
  writer.unlock();
  lock.unlock();
  // Backing files follow next: rows that a power cut takes back would look for them under their old names.
  if (moved) TRY(sync_database());
  return changes;
}

void JournaledMetadataStore::forget_everything(const MutexLock&) {
  inodes_.clear();
  pinned_names_.clear();   // whose names are those of dentries_
  dentries_.clear();
  contents_.clear();
  xattrs_.clear();
  resident_.clear();
  name_lists_.clear();
}

Status JournaledMetadataStore::reset_mirror(Epoch epoch, Sequence head, const Hash256& hash, const InodeRow& root) {
  MutexLock one(checkpoint_mutex_);
  TRY(checkpoint_locked());
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  MutexLock writer(writer_mutex_);
  settle(lock, writer);
  SyncPosition position = this->position();
  if (log_->last() > position.acknowledged)
    return Error(Code::kBusy, "local changes have not reached the server yet");
  TRY(checkpoint_inline(lock, writer));
  position = {epoch, head, hash, position.acknowledged};
  InodeRow row = root;
  row.id = kRootInode;
  row.listed = false;
  row.changed = Lsn{};
  row.links = std::max(row.links, 2u);
  auto transaction = TRY(sqlite::Transaction::begin(writer_->db()));
  for (std::string_view table : {"inode", "dentry", "xattr", "content", "manifest", "base_inode", "base_dentry",
                                 "base_xattr", "base_manifest", "tombstone", "listing"})
    TRY(writer_->db().execute("DELETE FROM " + std::string(table)));
  TRY(writer_->put_inode(row));
  TRY(write_position(*writer_, position));
  TRY(writer_->put_meta("total_inodes", 1));
  TRY(writer_->put_meta("total_bytes", 0));
  TRY(writer_->put_meta("transaction", transaction_ + 1));
  TRY(disk_.fault("journal.reset"));
  TRY(transaction.commit());
  ++transaction_;
  dependency_write_ = ++database_writes_;
  forget_everything(lock);
  if (totals_.inodes > 0) outlived_.add_all();
  listings_.clear();
  listing_now_.clear();
  cleaned_.clear();
  totals_ = totals_on_disk_ = {1, 0};
  dirty_files_ = dirty_bytes_ = 0;
  MutexLock status(status_mutex_);
  position_ = position;
  return {};
}

}  // namespace skymoor::client
