// Making a change: the record goes into the log, then into the tables in memory; and what is noted without a record.
#include <algorithm>

#include "fuse/journal/store/store.h"
#include "fuse/journal/tables/row_codec.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

constexpr std::uint64_t kCheckpointEvery = 8192;  // records

}  // namespace

Change JournaledMetadataStore::begin(const MutexLock&, Intent intent) {
  return new_change(Lsn{log_->last().value + 1}, clock_.now(), std::move(intent));
}

// Fills in what the caller leaves to the store: places in readdir, and the attributes that go with an erased inode.
Status JournaledMetadataStore::complete(const MutexLock& lock, std::vector<RowChange>& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (auto* put = std::get_if<PutDentry>(&changes[i])) {
      auto* entry = TRY(dentry_entry(lock, put->row.directory, put->row.name));
      std::uint64_t& cookie = put->row.cookie;
      if (entry->row) cookie = entry->row->cookie;
      else if (cookie < next_cookie_) cookie = next_cookie_;
      next_cookie_ = std::max(next_cookie_, cookie + 1);
    }
    if (auto* erase = std::get_if<EraseInode>(&changes[i])) {
      InodeId id = erase->inode;
      auto* entry = TRY(inode_entry(lock, id));
      if (!entry->row || !entry->row->has_xattrs) continue;
      std::vector<RowChange> more;
      for (std::string& name : TRY(xattr_names(lock, id))) more.emplace_back(EraseXattr{id, std::move(name)});
      std::size_t count = more.size();
      changes.insert(changes.begin() + static_cast<std::ptrdiff_t>(i), std::make_move_iterator(more.begin()),
                     std::make_move_iterator(more.end()));
      i += count;
    }
  }
  return {};
}

Status JournaledMetadataStore::commit(const MutexLock& lock, Change change) {
  LogRecord& record = record_of(change);
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  if (record.lsn.value != log_->last().value + 1)
    return Error(Code::kInternal, "another change was made between begin and commit");
  if (log_->last().value - applied_.value >= options_.max_unchecked_records) {
    MutexLock writer(writer_mutex_);
    TRY(checkpoint_inline(lock, writer));
  }
  TRY(MustFinish::ready());
  TRY(complete(lock, record.changes));
  TRY(prepare(lock, record.changes));
  TRY(note_manifests_first(lock, record.changes));
  TRY(append(lock, record));
  MustFinish finishing;   // the record stands
  apply(lock, record.changes, record.lsn);
  note_replaced(lock, record);
  memory_lsn_ = record.lsn;
  trim(lock);
  if (record.lsn.value - applied_.value == kCheckpointEvery) wake_housekeeper();
  return {};
}

Status JournaledMetadataStore::append(const MutexLock&, const LogRecord& record) {
  ByteWriter& out = log_->start(FrameKind::kRecord, record.lsn, transaction_);
  std::size_t frame = out.size();
  encode_record_to(out, record);
  if (out.size() - frame > kMaxRecordBytes)
    return Error(Code::kTooLarge, "an operation's record is larger than " + std::to_string(kMaxRecordBytes) + " bytes");
  return log_->append();
}

Status JournaledMetadataStore::append_note(const MutexLock&, const std::vector<RowChange>& changes) {
  ByteWriter& out = log_->start(FrameKind::kNote, log_->last(), transaction_);
  encode_changes(out, changes);
  return log_->append();
}

// A manifest that was fetched and stands only in memory would be gone after a kill, while the record that changes part
// of the file stays: what the rest of the file is must be in the log before it.
Status JournaledMetadataStore::note_manifests_first(const MutexLock& lock, const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    InodeId id;
    if (auto* mark = std::get_if<MarkContent>(&change)) id = mark->inode;
    if (auto* move = std::get_if<MoveContent>(&change)) id = move->from;
    auto* entry = id ? contents_.peek(id) : nullptr;
    if (!entry || !entry->row || !entry->row->manifest_noted) continue;
    const ContentRow& row = entry->row->row;
    std::vector<RowChange> note;
    note.emplace_back(PutManifest{id, row.manifest_content, row.manifest});
    TRY(append_note(lock, note));
    own_content(lock, *entry, id).manifest_noted = false;
  }
  return {};
}

// A range that became present is kept in memory and written at the next checkpoint. A range that goes must be gone
// before its bytes are, or a kill in between would turn it into zeros: that is written to the log.
Status JournaledMetadataStore::note_content(const MutexLock& lock, InodeId inode, Extent extent, bool valid) {
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  auto* known = TRY(inode_entry(lock, inode));
  if (!known->row) return Error(Code::kNotFound, "no such inode");
  auto* entry = TRY(content_entry(lock, inode));
  if (valid) {
    own_content(lock, *entry, inode).row.valid.add(extent);
    contents_.pin_again(*entry);
    return noted(lock);
  }
  if (!entry->row || !entry->row->row.valid.intersects(extent)) return {};
  // It became clean in a transaction that a power cut may still take back: then it would be dirty, and not there.
  if (auto it = cleaned_.find(inode); it != cleaned_.end()) {
    if (it->second > database_writes_synced_) TRY(sync_database());
    cleaned_.erase(it);
  }
  std::vector<RowChange> note;
  for (const Extent& part : entry->row->row.dirty.missing(extent))
    note.emplace_back(MarkContent{inode, part, false, false});
  TRY(MustFinish::ready());
  TRY(append_note(lock, note));
  MustFinish finishing;
  apply_note(lock, note);
  return {};
}

Status JournaledMetadataStore::note_access_time(const MutexLock& lock, InodeId inode, Timestamp time) {
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  auto* entry = TRY(inode_entry(lock, inode));
  if (!entry->row) return Error(Code::kNotFound, "no such inode");
  auto row = std::make_shared<InodeRow>(*entry->row);
  row->attributes.atime = time;
  const Lsn changed = entry->changed;   // no change that anybody is waiting for
  put_inode(lock, inode, std::move(row), changed);
  return noted(lock);
}

Status JournaledMetadataStore::note_manifest(const MutexLock& lock, InodeId inode, OpId content, Bytes manifest) {
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  auto* known = TRY(inode_entry(lock, inode));
  auto* entry = TRY(content_entry(lock, inode));
  if (!known->row) return {};
  bool none_yet = !entry->row || (entry->row->row.manifest_content == OpId{} && entry->row->row.dirty.empty());
  bool fits = none_yet ? known->row->content == content : entry->row->row.manifest_content == content;
  if (!fits || content == OpId{}) return {};
  CachedContent& row = own_content(lock, *entry, inode);
  row.row.manifest_content = content;
  row.row.manifest = std::move(manifest);
  row.manifest_changed = row.manifest_noted = true;
  contents_.pin_again(*entry);
  return noted(lock);
}

// Notes pin rows as records do: they too must not pile up.
Status JournaledMetadataStore::noted(const MutexLock& lock) {
  if (++noted_ == kCheckpointEvery) wake_housekeeper();
  if (std::max(contents_.pinned_count(), inodes_.pinned_count()) < options_.max_unchecked_records) {
    contents_.trim();
    return {};
  }
  MutexLock writer(writer_mutex_);
  return checkpoint_inline(lock, writer);
}

Status JournaledMetadataStore::note_offered(Lsn up_to, const Hash256& body, Lsn newest_content) {
  MutexLock writer(writer_mutex_);
  offers_.add(up_to, body, Lsn{acknowledged_});
  TRY(writer_->put_meta("offered", encode_offers(offers_)));
  ++database_writes_;
  TRY(sync_database());
  offered_content_ = std::max(offered_content_.load(), newest_content.value);
  offered_ = offers_.last().value;
  return {};
}

bool JournaledMetadataStore::has_offered(Lsn up_to, const Hash256& body) {
  MutexLock writer(writer_mutex_);
  return up_to <= Lsn{acknowledged_} || offers_.contains(up_to, body);
}

bool JournaledMetadataStore::may_come_back(const MutexLock&, const InodeRow& row) {
  const bool pending = row.content.writer == identity_.writer && row.content.counter > acknowledged_;
  return pending && (row.version || writer_of(row.id) != identity_.writer || counter_of(row.id) <= offered_ ||
                     replaced_.contains(row.id) || copies_.contains(row.id));
}

// The inode of the conflict copy that a write's record may become.
InodeId JournaledMetadataStore::copy_of(const LogRecord& record) const {
  return std::holds_alternative<WriteIntent>(record.intent) ? make_inode_id(identity_.writer, record.lsn.value) : InodeId{};
}

// A rename comes to nothing when somebody else has moved the file first: then what it replaced stands where it stood. Only
// a file that was made here after the replaced content is certain to be nobody else's (a save: made, written, renamed over
// the last one): whoever has heard of it has the record of this rename as well.
void JournaledMetadataStore::note_replaced(const MutexLock&, const LogRecord& record) {
  const auto* rename = std::get_if<RenameIntent>(&record.intent);
  if (!rename || rename->exchange || !rename->replaced || !rename->replaced_last) return;
  const OpId seen = rename->replaced_seen;
  if (seen.writer != identity_.writer) return;
  if (writer_of(rename->inode) == identity_.writer && counter_of(rename->inode) > seen.counter) return;
  replaced_[rename->replaced] = record.lsn;
}

bool JournaledMetadataStore::may_be_named(InodeId inode) {
  return identity_.writer && writer_of(inode) == identity_.writer && counter_of(inode) > acknowledged_;
}

// A note of log data without bytes: only a file that has some in the log needs it.
Status JournaledMetadataStore::note_data_durable(const MutexLock& lock, InodeId inode, Lsn up_to) {
  if (closed_) return Error(Code::kIo, "the metadata store is closed");
  if (inode ? logged_data_.count(inode) == 0 : logged_data_.empty()) return {};
  std::vector<RowChange> note;
  note.emplace_back(LogData{inode, up_to.value, {}});
  TRY(append_note(lock, note));
  log_->require_sync();
  return {};
}

void JournaledMetadataStore::bytes_first(const MutexLock&, InodeId inode) {
  MutexLock lock(bytes_first_mutex_);
  bytes_first_.insert(bytes_first_.size() < kMostBytesFirst ? inode : InodeId{});
}

bool JournaledMetadataStore::has_base(const MutexLock& lock, InodeId inode) {
  const auto entry = content_entry(lock, inode);
  return !entry.ok() || ((*entry)->row && (*entry)->row->row.manifest_content != OpId{});
}

// Never touches what is dirty, and leaves the row as clean or pending as it was.
void JournaledMetadataStore::apply_note(const MutexLock& lock, const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    if (auto* mark = std::get_if<MarkContent>(&change)) {
      auto* entry = contents_.peek(mark->inode);
      if (!entry || !entry->row || mark->valid || mark->dirty) continue;
      CachedContent& content = own_content(lock, *entry, mark->inode);
      for (const Extent& part : content.row.dirty.missing(mark->extent)) content.row.valid.remove(part);
      contents_.pin_again(*entry);
    }
    if (auto* put = std::get_if<PutManifest>(&change)) {
      auto* entry = contents_.peek(put->inode);
      if (!entry) continue;
      CachedContent& content = own_content(lock, *entry, put->inode);
      bool fits = content.row.manifest_content == OpId{} || content.row.manifest_content == put->content;
      if (!fits) continue;
      content.row.manifest_content = put->content;
      content.row.manifest = put->manifest;
      content.manifest_changed = true;
      contents_.pin_again(*entry);
    }
  }
}

}  // namespace skymoor::client
