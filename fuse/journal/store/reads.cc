// Reads of the visible tree: memory first, then the database.
#include <algorithm>

#include "fuse/journal/store/store.h"

namespace skymoor::client {
namespace {

// A directory no larger than this is kept in memory whole once it was listed in one go.
constexpr std::size_t kKeepListed = 1024;
constexpr std::size_t kReserveListed = 4096;

}  // namespace

// An inode made by a record after the last checkpoint (ids carry the record's lsn) cannot be in the database; whoever
// made it pinned it in memory.
bool JournaledMetadataStore::created_since_checkpoint(InodeId id) const {
  std::uint64_t counter = counter_of(id);
  // A reader (writer 0) makes nothing: such numbers are the root's.
  return identity_.writer && writer_of(id) == identity_.writer && counter > applied_.value && counter <= memory_lsn_.value + 1;
}

void JournaledMetadataStore::trim(const MutexLock&) {
  inodes_.trim();
  dentries_.trim();
  contents_.trim();
}

Result<JournaledMetadataStore::InodeTable::Entry*> JournaledMetadataStore::inode_entry(const MutexLock&, InodeId id) {
  if (auto* entry = inodes_.find(id)) return entry;
  std::optional<InodeRow> row;
  if (!created_since_checkpoint(id)) row = TRY(reads_->inode(id));
  Lsn changed = row ? row->changed : Lsn{};
  return &inodes_.fill(id, row ? std::make_shared<InodeRow>(std::move(*row)) : nullptr, changed);
}

Result<JournaledMetadataStore::DentryTable::Entry*> JournaledMetadataStore::dentry_entry(const MutexLock&,
                                                                                         InodeId directory,
                                                                                         std::string_view name) {
  NameView key{directory, name};
  if (auto* entry = dentries_.find(key)) return entry;
  std::optional<DentryRow> row;
  if (!resident_.count(directory)) row = TRY(reads_->dentry(directory, name));
  Lsn changed = row ? row->changed : Lsn{};
  return &dentries_.fill(key, row ? std::make_shared<DentryRow>(std::move(*row)) : nullptr, changed);
}

Result<JournaledMetadataStore::ContentTable::Entry*> JournaledMetadataStore::content_entry(const MutexLock&,
                                                                                           InodeId inode) {
  if (auto* entry = contents_.find(inode)) return entry;
  SqlTables::Content loaded;
  if (!created_since_checkpoint(inode)) loaded = TRY(reads_->content(inode, era_));
  std::shared_ptr<CachedContent> row;
  if (loaded.exists) {
    row = std::make_shared<CachedContent>();
    row->row = std::move(loaded.row);
  }
  return &contents_.fill(inode, std::move(row), loaded.changed);
}

Result<InodeRow> JournaledMetadataStore::inode(const MutexLock& lock, InodeId id) {
  auto* entry = TRY(inode_entry(lock, id));
  if (!entry->row) return Error(Code::kNotFound, "no such inode");
  InodeRow row = *entry->row;
  inodes_.trim();
  return row;
}

Error JournaledMetadataStore::missing(const MutexLock& lock, InodeId directory, std::string_view) {
  Result<InodeTable::Entry*> entry = inode_entry(lock, directory);
  if (!entry.ok()) return std::move(entry).error();
  if ((*entry)->row && !(*entry)->row->listed) return Error(Code::kNotPresent, "directory is not listed");
  return Error(Code::kNotFound, "no such entry");
}

Result<DentryRow> JournaledMetadataStore::dentry(const MutexLock& lock, InodeId directory, std::string_view name) {
  auto* entry = TRY(dentry_entry(lock, directory, name));
  if (!entry->row) {
    Error error = missing(lock, directory, name);
    trim(lock);
    return error;
  }
  DentryRow row = *entry->row;
  dentries_.trim();
  return row;
}

/// False: some of it stands in the database only.
bool JournaledMetadataStore::list_from_memory(const MutexLock&, InodeId directory, std::uint64_t after, std::size_t limit,
                                              bool with_inodes, std::vector<DentryRow>& rows) {
  bool all = true;
  const std::uint64_t through = name_lists_.visit(directory, after, [&](const NameLists::Row& row) {
    all = rows.size() == limit || !with_inodes || inodes_.peek(row->inode);
    if (!all || rows.size() == limit) return false;
    rows.push_back(*row);
    return true;
  });
  return all && (rows.size() == limit || through == NameLists::kAll);
}

// The database's rows in cookie order, with the pinned ones laid over: a name that is pinned counts only as pinned.
Result<std::vector<DentryRow>> JournaledMetadataStore::list(const MutexLock& lock, InodeId directory,
                                                            std::uint64_t after, std::size_t limit,
                                                            bool with_inodes) {
  auto* entry = TRY(inode_entry(lock, directory));
  if (!entry->row) return Error(Code::kNotFound, "no such directory");
  if (!entry->row->listed) return Error(Code::kNotPresent, "directory is not listed");
  std::vector<DentryRow> rows;
  rows.reserve(std::min(limit, kReserveListed));
  if (list_from_memory(lock, directory, after, limit, with_inodes, rows)) return rows;
  rows.clear();
  std::vector<PinnedNames::Row> pinned = pinned_names_.after(directory, after, limit);
  const PinnedNames::Names* overlaid = pinned_names_.of(directory);
  bool keep = after == 0;
  std::vector<NameLists::Row> listed;
  listed.reserve(std::min(limit, kReserveListed));
  const auto take = [&](NameLists::Row row) {
    rows.push_back(*row);
    listed.push_back(std::move(row));
  };
  std::size_t next = 0;
  TRY(reads_->entries(directory, after, with_inodes, [&](DentryRow&& row, std::optional<InodeRow>&& inode) {
    if (overlaid)
      while (next < pinned.size() && pinned[next]->cookie < row.cookie && rows.size() < limit) take(pinned[next++]);
    if (rows.size() >= limit) return false;
    if (overlaid && overlaid->count(row.name) != 0) return true;
    if (inode && !inodes_.peek(row.inode)) {
      Lsn changed = inode->changed;
      inodes_.fill(row.inode, std::make_shared<InodeRow>(std::move(*inode)), changed);
    }
    auto shared = std::make_shared<DentryRow>(std::move(row));
    if (rows.size() < kKeepListed && keep) dentries_.fill(NameView{directory, shared->name}, shared, shared->changed);
    take(std::move(shared));
    return true;
  }));
  while (next < pinned.size() && rows.size() < limit) take(pinned[next++]);
  if (keep && rows.size() < limit && rows.size() <= kKeepListed) resident_.insert(directory);
  const std::uint64_t through = rows.size() < limit ? NameLists::kAll : rows.empty() ? after : rows.back().cookie;
  if (keep) name_lists_.keep(directory, listed, through);
  else name_lists_.extend(directory, after, listed, through);
  trim(lock);
  return rows;
}

Result<bool> JournaledMetadataStore::has_children(const MutexLock& lock, InodeId directory) {
  if (pinned_names_.any_present(directory)) return true;
  const PinnedNames::Names* overlaid = pinned_names_.of(directory);
  bool found = false;
  TRY(reads_->entries(directory, 0, false, [&](DentryRow&& row, std::optional<InodeRow>&&) {
    found = !overlaid || overlaid->count(row.name) == 0;  // a pinned one is not there: see above
    return !found;
  }));
  if (found) return true;
  auto* entry = TRY(inode_entry(lock, directory));
  if (entry->row && !entry->row->listed) return Error(Code::kNotPresent, "directory is not listed");
  return false;
}

Result<Bytes> JournaledMetadataStore::xattr(const MutexLock& lock, InodeId inode, std::string_view name) {
  auto* entry = TRY(inode_entry(lock, inode));
  if (!entry->row) return Error(Code::kNotFound, "no such inode");
  Error none(Code::kNoAttribute, "no such attribute");
  if (!entry->row->has_xattrs) return none;
  if (auto it = xattrs_.find(NameKey(inode, std::string(name))); it != xattrs_.end()) {
    if (!it->second.value) return none;
    return *it->second.value;
  }
  std::optional<XattrRow> row = TRY(reads_->xattr(inode, name));
  if (!row) return none;
  return std::move(row->value);
}

Result<std::vector<std::string>> JournaledMetadataStore::xattr_names(const MutexLock& lock, InodeId inode) {
  auto* entry = TRY(inode_entry(lock, inode));
  if (!entry->row) return Error(Code::kNotFound, "no such inode");
  if (!entry->row->has_xattrs) return std::vector<std::string>{};
  std::vector<std::string> names = TRY(reads_->xattr_names(inode));
  for (auto it = xattrs_.lower_bound(NameKey(inode, "")); it != xattrs_.end() && it->first.owner == inode; ++it) {
    auto at = std::find(names.begin(), names.end(), it->first.name);
    if (it->second.value && at == names.end()) names.push_back(it->first.name);
    if (!it->second.value && at != names.end()) names.erase(at);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<ContentRow> JournaledMetadataStore::content(const MutexLock& lock, InodeId inode) {
  auto* entry = TRY(content_entry(lock, inode));
  ContentRow row;
  if (entry->row) row = entry->row->row;
  row.inode = inode;
  contents_.trim();
  return row;
}

Result<std::vector<DentryRow>> JournaledMetadataStore::links(const MutexLock&, InodeId inode) {
  std::vector<DentryRow> rows;
  for (DentryRow& row : TRY(reads_->links(inode))) {
    auto* known = dentries_.peek(NameView{row.directory, row.name});
    if (!known || !known->pinned) rows.push_back(std::move(row));
  }
  for (const PinnedNames::Row& row : pinned_names_.links(inode)) rows.push_back(*row);
  return rows;
}

}  // namespace skymoor::client
