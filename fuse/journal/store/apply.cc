// What a record does to the tables in memory. The same code runs for a new record, for replay at open and in a rebase.
#include <algorithm>

#include "fuse/journal/store/store.h"

namespace skymoor::client {
namespace {

std::uint64_t bytes_within(const ExtentSet& set, Extent extent) {
  std::uint64_t sum = 0;
  for (const Extent& part : set.present(extent)) sum += part.length();
  return sum;
}

}  // namespace

// Loads every row that `apply` looks at, so that nothing can fail once the record is in the log. Nothing is let go of
// (trim) in between.
Status JournaledMetadataStore::prepare(const MutexLock& lock, std::vector<RowChange>& changes) {
  for (RowChange& change : changes) {
    if (auto* put = std::get_if<PutInode>(&change)) TRY(inode_entry(lock, put->row.id));
    if (auto* erase = std::get_if<EraseInode>(&change)) {
      TRY(inode_entry(lock, erase->inode));
      TRY(content_entry(lock, erase->inode));
    }
    if (auto* put = std::get_if<PutXattr>(&change)) TRY(inode_entry(lock, put->inode));
    if (auto* put = std::get_if<PutDentry>(&change)) TRY(dentry_entry(lock, put->row.directory, put->row.name));
    if (auto* erase = std::get_if<EraseDentry>(&change)) TRY(dentry_entry(lock, erase->directory, erase->name));
    if (auto* mark = std::get_if<MarkContent>(&change)) TRY(content_entry(lock, mark->inode));
    if (auto* put = std::get_if<PutManifest>(&change)) TRY(content_entry(lock, put->inode));
    if (auto* move = std::get_if<MoveContent>(&change)) {
      TRY(content_entry(lock, move->from));
      TRY(content_entry(lock, move->to));
    }
  }
  return {};
}

void JournaledMetadataStore::apply(const MutexLock& lock, const std::vector<RowChange>& changes, Lsn lsn) {
  for (const RowChange& change : changes) std::visit([&](const auto& one) { apply_one(lock, one, lsn); }, change);
}

MetadataStore::Totals JournaledMetadataStore::weight_of(const InodeRow* row) {
  if (!row || row->links == 0) return {};
  return {1, row->attributes.type == FileType::kFile ? row->attributes.size : 0};
}

void JournaledMetadataStore::count(const MutexLock&, const InodeRow* before, const InodeRow* after) {
  Totals old = weight_of(before), now = weight_of(after);
  totals_.inodes += now.inodes - old.inodes;
  totals_.bytes += now.bytes - old.bytes;
}

void JournaledMetadataStore::count_dirty(const MutexLock&, std::uint64_t before, std::uint64_t after) {
  dirty_bytes_ += after - before;
  dirty_files_ += static_cast<std::uint64_t>(after > 0) - static_cast<std::uint64_t>(before > 0);
}

void JournaledMetadataStore::put_inode(const MutexLock& lock, InodeId id, std::shared_ptr<InodeRow> row, Lsn changed) {
  auto* entry = inodes_.peek(id);
  count(lock, entry ? entry->row.get() : nullptr, row.get());
  inodes_.pin(id, std::move(row), changed);
}

void JournaledMetadataStore::put_dentry(const MutexLock&, const NameView& key, std::shared_ptr<DentryRow> row,
                                        Lsn changed) {
  auto* entry = dentries_.peek(key);
  bool was_pinned = entry && entry->pinned;
  std::shared_ptr<DentryRow> before = was_pinned ? entry->row : nullptr;
  if (entry && entry->row && (!row || row->cookie != entry->row->cookie)) name_lists_.remove(key.owner, entry->row->cookie);
  if (row) name_lists_.put(row);
  entry = &dentries_.pin(key, row, changed);
  pinned_names_.change(key.owner, entry->key->name, before.get(), was_pinned, row, true);
}

void JournaledMetadataStore::put_content(const MutexLock& lock, InodeId id, std::shared_ptr<CachedContent> row,
                                         Lsn changed) {
  auto* entry = contents_.peek(id);
  count_dirty(lock, entry && entry->row ? entry->row->row.dirty.total() : 0, row ? row->row.dirty.total() : 0);
  contents_.pin(id, std::move(row), changed);
}

// A row that may be changed in place: not shared with a checkpoint on its way.
CachedContent& JournaledMetadataStore::own_content(const MutexLock&, ContentTable::Entry& entry, InodeId id) {
  if (!entry.row) {
    entry.row = std::make_shared<CachedContent>();
    entry.row->row.inode = id;
  } else if (entry.row.use_count() > 1) {
    entry.row = std::make_shared<CachedContent>(*entry.row);
  }
  return *entry.row;
}

// What the server told of an inode (and whether its directory is listed) is not for a record to say: a record replayed
// after a power cut may know of feed entries that the tables have lost, and will get again.
void JournaledMetadataStore::apply_one(const MutexLock& lock, const PutInode& put, Lsn lsn) {
  auto row = std::make_shared<InodeRow>(put.row);
  row->changed = lsn;
  auto* entry = inodes_.peek(row->id);
  if (entry && entry->row) {
    row->listed = entry->row->listed;
    row->version = entry->row->version;
    row->has_xattrs = row->has_xattrs || entry->row->has_xattrs;
  } else if (row->attributes.type == FileType::kDirectory && created_since_checkpoint(row->id)) {
    if (resident_.size() > options_.cached_inodes) resident_.clear();
    resident_.insert(row->id);
    name_lists_.keep(row->id, {}, NameLists::kAll);
  }
  InodeId id = row->id;
  put_inode(lock, id, std::move(row), lsn);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const EraseInode& erase, Lsn lsn) {
  put_inode(lock, erase.inode, nullptr, lsn);
  outlived_.add(erase.inode);
  resident_.erase(erase.inode);
  name_lists_.forget(erase.inode);
  auto* content = contents_.peek(erase.inode);
  if (content && content->row) put_content(lock, erase.inode, nullptr, lsn);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const PutDentry& put, Lsn lsn) {
  auto row = std::make_shared<DentryRow>(put.row);
  row->changed = lsn;
  next_cookie_ = std::max(next_cookie_, row->cookie + 1);
  NameView key{put.row.directory, put.row.name};
  put_dentry(lock, key, std::move(row), lsn);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const EraseDentry& erase, Lsn lsn) {
  put_dentry(lock, NameView{erase.directory, erase.name}, nullptr, lsn);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const PutXattr& put, Lsn lsn) {
  CachedXattr& xattr = xattrs_[NameKey(put.inode, put.name)];
  xattr.value = put.value;
  xattr.changed = lsn;
  ++xattr.version;
  auto* entry = inodes_.peek(put.inode);
  if (!entry || !entry->row || entry->row->has_xattrs) return;
  auto row = std::make_shared<InodeRow>(*entry->row);
  row->has_xattrs = true;
  Lsn changed = entry->changed;
  put_inode(lock, put.inode, std::move(row), changed);
}

void JournaledMetadataStore::apply_one(const MutexLock&, const EraseXattr& erase, Lsn lsn) {
  CachedXattr& xattr = xattrs_[NameKey(erase.inode, erase.name)];
  xattr.value.reset();
  xattr.changed = lsn;
  ++xattr.version;
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const MarkContent& mark, Lsn lsn) {
  auto* entry = contents_.peek(mark.inode);
  if (!entry || mark.extent.begin >= mark.extent.end) return;
  ContentRow& row = own_content(lock, *entry, mark.inode).row;
  bool was_dirty = !row.dirty.empty();
  std::uint64_t covered = bytes_within(row.dirty, mark.extent);
  mark.valid ? row.valid.add(mark.extent) : row.valid.remove(mark.extent);
  mark.dirty ? row.dirty.add(mark.extent) : row.dirty.remove(mark.extent);
  dirty_bytes_ += (mark.dirty ? mark.extent.length() : 0) - covered;
  dirty_files_ += static_cast<std::uint64_t>(!row.dirty.empty()) - static_cast<std::uint64_t>(was_dirty);
  entry->changed = lsn;
  contents_.pin_again(*entry);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const PutManifest& put, Lsn lsn) {
  auto* entry = contents_.peek(put.inode);
  if (!entry) return;
  CachedContent& content = own_content(lock, *entry, put.inode);
  content.row.manifest_content = put.content;
  content.row.manifest = put.manifest;
  content.manifest_changed = content.manifest_recorded = true;
  content.manifest_noted = false;
  entry->changed = lsn;
  contents_.pin_again(*entry);
}

void JournaledMetadataStore::apply_one(const MutexLock& lock, const MoveContent& move, Lsn lsn) {
  auto* from = contents_.peek(move.from);
  if (!from || !from->row || move.from == move.to) return;
  auto row = std::make_shared<CachedContent>(*from->row);
  const Lsn last = std::max(lsn, from->changed);  // the records that made the content are as pending as before
  row->row.inode = move.to;
  row->manifest_changed = row->manifest_recorded = true;
  row->manifest_noted = false;
  put_content(lock, move.from, nullptr, lsn);
  put_content(lock, move.to, std::move(row), last);
}

void JournaledMetadataStore::apply_one(const MutexLock&, const LogData& data, Lsn) { logged_data_.insert(data.inode); }

}  // namespace skymoor::client
