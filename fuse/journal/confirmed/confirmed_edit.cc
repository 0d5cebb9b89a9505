// Where each changed object is written: its base row while it is pending, else its visible row.
#include "fuse/journal/confirmed/confirmed_edit.h"

#include <algorithm>

#include "fuse/journal/tables/row_codec.h"
#include "shared/model/change.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

bool same(const InodeRow& a, const InodeRow& b) {
  ByteWriter left, right;
  encode_inode_body(left, a);
  encode_inode_body(right, b);
  return left.view() == right.view();
}

bool same(const std::optional<InodeRow>& a, const std::optional<InodeRow>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

// As same, but for what only the server's bookkeeping sees.
bool looks_same(const InodeRow& a, InodeRow b) {
  b.version = a.version;
  b.listed = a.listed;
  return same(a, b);
}

}  // namespace

ExtentSet kept_ranges(const ExtentSet& valid, const ManifestRow& before, const ManifestRow& after) {
  if (before.content == after.content && before.content != OpId{}) return valid;
  ExtentSet kept;
  if (before.manifest.empty() || after.manifest.empty()) return kept;
  if (before.manifest == after.manifest) return valid;
  Result<Manifest> old = decode_manifest(before.manifest), now = decode_manifest(after.manifest);
  if (!old.ok() || !now.ok()) return kept;
  std::size_t i = 0, j = 0;
  std::uint64_t old_at = 0, now_at = 0;
  while (i < old->chunks.size() && j < now->chunks.size()) {
    const Chunk &a = old->chunks[i], &b = now->chunks[j];
    if (old_at == now_at && a.length == b.length && a.block == b.block)
      for (const Extent& part : valid.present({old_at, old_at + a.length})) kept.add(part);
    std::uint64_t old_end = old_at + a.length, now_end = now_at + b.length;
    if (old_end <= now_end) { old_at = old_end; ++i; }
    if (now_end <= old_end) { now_at = now_end; ++j; }
  }
  return kept;
}

ConfirmedEdit::Visible ConfirmedEdit::visible(InodeId id, const Inode& inode) const {
  Visible seen;
  if (auto* entry = store_.inodes_.peek(id)) {
    if (entry->row) seen.row = *entry->row;
    seen.changed = entry->changed;
  } else if (inode.stored) {
    seen.row = inode.stored;
    seen.changed = inode.stored->changed;
  }
  if (inode.base) seen.changed = std::max(seen.changed, inode.base->changed);
  return seen;
}

Result<ConfirmedEdit::ContentState> ConfirmedEdit::content(InodeId id) {
  ContentState state;
  if (auto* entry = store_.contents_.peek(id)) {
    if (entry->row) state.row = entry->row->row;
    state.changed = entry->changed;
  } else {
    SqlTables::Content stored = TRY(sql_.content(id, store_.era_));
    state.row = std::move(stored.row);
    state.changed = stored.changed;
  }
  state.row.inode = id;
  return state;
}

Status ConfirmedEdit::write(VisibleChanges& changes) {
  TRY(find_held());
  for (auto& [id, inode] : inodes_) TRY(write_inode(id, inode, changes));
  for (InodeId id : orphans_)
    if (!inodes_.at(id).row) changes.dead.push_back(id);
  for (auto& [key, dentry] : dentries_) TRY(write_dentry(key, dentry, changes));
  for (const NameKey& key : doubted_) changes.names.push_back({key.owner, key.name});
  changes.attributes.insert(changes.attributes.end(), remembered_.begin(), remembered_.end());
  for (auto& [key, xattr] : xattrs_) TRY(write_xattr(key, xattr, changes));
  for (auto& [id, listed] : listed_) {
    patches_[id].listed = listed;
    const Inode& inode = inodes_.at(id);
    const bool was = (inode.before && inode.before->listed) || (inode.stored && inode.stored->listed);
    if (!listed && was) changes.unlisted.push_back(id);
  }
  for (auto& [id, has] : has_xattrs_) patches_[id].has_xattrs = has;
  for (auto& [id, patch] : patches_) TRY(patch_flags(id, patch));
  TRY(sql_.put_meta("next_cookie", store_.next_cookie_));
  TRY(sql_.put_meta("total_inodes", store_.totals_on_disk_.inodes + more_inodes_));
  return sql_.put_meta("total_bytes", store_.totals_on_disk_.bytes + more_bytes_);
}

/// What shows of a name, and the last record that has changed it.
ConfirmedEdit::VisibleName ConfirmedEdit::visible(const NameKey& key, const Dentry& dentry) const {
  VisibleName seen{dentry.stored, dentry.stored ? dentry.stored->changed : Lsn{}};
  if (auto* entry = store_.dentries_.peek(key))
    seen = {entry->row ? std::optional<DentryRow>(*entry->row) : std::nullopt, entry->changed};
  if (dentry.base) seen.changed = std::max(seen.changed, dentry.base->changed);
  return seen;
}

/// A row counts the names that show it: as long as one of these has to wait, so has the row, and a name waits for the rows of what
/// it stood for and will stand for. Whoever finds a name that the inode does not count takes what he writes there for an
/// unlinked file's.
Status ConfirmedEdit::find_held() {
  const auto shows = [](const Visible& seen) { return seen.row && seen.row->links > 0; };
  if (store_.log_->last() <= options_.acknowledged) return {};
  for (bool more = true; more;) {
    more = false;
    for (auto& [key, dentry] : dentries_) {
      const VisibleName seen = visible(key, dentry);
      const InodeId before = seen.row ? seen.row->inode : InodeId{}, after = dentry.row ? dentry.row->inode : InodeId{};
      if (before == after) continue;
      Lsn waits = seen.changed > options_.acknowledged ? seen.changed : Lsn{};
      for (InodeId id : {before, after})
        if (id) waits = std::max(waits, TRY(would_wait(id)));
      if (!waits) continue;
      for (InodeId id : {before, after})
        if (id && shows(visible(id, *TRY(inode(id))))) more |= held_.emplace(id, waits).second;
    }
  }
  return {};
}

/// The last record that an inode's row will wait for; 0: none.
Result<Lsn> ConfirmedEdit::would_wait(InodeId id) {
  if (auto it = held_.find(id); it != held_.end()) return it->second;
  Inode& edited = *TRY(inode(id));
  const Visible seen = visible(id, edited);
  if (seen.changed > options_.acknowledged) return seen.changed;
  if (!edited.row || !edited.put || !seen.row) return Lsn{};
  if (options_.own && seen.row->content == edited.row->content) return Lsn{};
  if (!TRY(content_pending(id, edited, seen, false))) return Lsn{};
  return std::max(TRY(content(id)).changed, Lsn{options_.acknowledged.value + 1});
}

Status ConfirmedEdit::write_inode(InodeId id, Inode& inode, VisibleChanges& changes) {
  if (inode.row) {
    bool is_directory = inode.row->attributes.type == FileType::kDirectory;
    if (is_directory ? !inode.linked : inode.row->links == 0) inode.row.reset();
  }
  // Made here, and not by the commit that covers it.
  const bool unsent = options_.own && !inode.row && inode.stored && inode.stored->links > 0;
  if (same(inode.row, inode.before) && !inode.base && !inode.put && !unsent) return {};
  Visible seen = visible(id, inode);
  if (inode.fresh && !inode.reachable && !seen.row && !inode.base) return {};
  bool pending = seen.changed > options_.acknowledged || held_.contains(id);
  if (inode.row && inode.put && !seen.row && !inode.base && !options_.own) {
    // Unheard of until now, as nearly everything in a listing: there is nothing to compare with.
    if (inode.put->content != OpId{}) TRY(sql_.put_manifest(id, *inode.put));
    stale_contents_.push_back(id);
  } else if (inode.row && (inode.put || ((options_.own || is_orphan(seen)) && seen.row &&
                                         seen.row->content != inode.row->content))) {
    bool content_waits = TRY(content_pending(id, inode, seen, pending));
    if (inode.put) {
      // What was sent before a power cut may be more than what the disk has kept of it.
      const bool own_bytes = options_.own && options_.acknowledged > store_.doubted_;
      TRY(write_put(id, *inode.put, content_waits, own_bytes, changes));
    } else if (!content_waits) {
      // What was pending came to nothing: the content is another's, and what is here of it has to be told apart.
      const ManifestRow theirs = TRY(manifest_for(id, inode.row->content));
      TRY(write_put(id, theirs, false, false, changes));
    }
    // An inode's row names its content: while that is pending, so is the row.
    if (content_waits && (!options_.own || (seen.row && seen.row->content != inode.row->content))) pending = true;
  }
  if (inode.before && !inode.row) TRY(bury(id, inode));
  return pending ? write_pending(id, inode, seen, changes) : write_clean(id, inode, seen, changes);
}

// Deleted here, as the server knows: what it held was its user's own, and counts no more should it come back.
bool ConfirmedEdit::is_orphan(const Visible& seen) const {
  return seen.row && seen.row->links == 0 && seen.changed <= options_.acknowledged;
}

Result<ManifestRow> ConfirmedEdit::manifest_for(InodeId id, const OpId& wanted) {
  if (auto confirmed = TRY(sql_.base_manifest(id))) return std::move(*confirmed);
  ContentState state = TRY(content(id));
  if (state.row.manifest_content == wanted) return ManifestRow{wanted, std::move(state.row.manifest)};
  return ManifestRow{wanted, {}};
}

Result<bool> ConfirmedEdit::content_pending(InodeId id, const Inode& inode, const Visible& seen, bool row_pending) {
  ContentState state = TRY(content(id));
  bool touched = state.changed > options_.acknowledged;
  if (!options_.own && is_orphan(seen)) return touched;
  if (!options_.own) return touched || row_pending || !state.row.dirty.empty() || TRY(sql_.base_manifest(id)).has_value();
  if (!inode.put) return touched || !state.row.dirty.empty();
  return touched || !seen.row || seen.row->content != inode.put->content;
}

Status ConfirmedEdit::write_put(InodeId id, const ManifestRow& put, bool pending, bool own_bytes,
                                VisibleChanges& changes) {
  if (pending) return sql_.put_base_manifest(id, put);
  ContentState state = TRY(content(id));
  if (!own_bytes && put.content != state.row.manifest_content) TRY(store_.may_be_replaced(lock_, id));
  if (own_bytes) {
    cleaned_.push_back(id);  // the bytes are as they were; they just are at the server now
  } else {
    for (const Extent& part : state.row.dirty.all()) state.row.valid.remove(part);
    ExtentSet valid = kept_ranges(state.row.valid, {state.row.manifest_content, state.row.manifest}, put);
    if (!(state.row.valid == valid) || state.row.manifest_content != OpId{}) changes.contents.push_back(id);
    state.row.valid = std::move(valid);
  }
  state.dirty_before = state.row.dirty.total();
  state.row.dirty.clear();
  TRY(sql_.erase_base_manifest(id));
  return write_content(id, std::move(state), put);
}

Status ConfirmedEdit::write_content(InodeId id, ContentState state, const ManifestRow& manifest) {
  state.row.manifest_content = manifest.content;
  state.row.manifest = manifest.manifest;
  bool has_extents = !state.row.valid.empty() || TRY(sql_.extents(id, store_.era_)).has_value();
  if (has_extents) TRY(sql_.put_extents(id, {state.row.valid, state.row.dirty, state.changed}, store_.era_));
  TRY(sql_.put_manifest(id, manifest));
  new_contents_.push_back(std::move(state));
  return {};
}

// Records made before the death still speak of the inode: the planner will want to know what and where it was.
Status ConfirmedEdit::bury(InodeId id, const Inode& inode) {
  Lsn last = store_.log_->last();
  if (last <= options_.acknowledged) return {};
  Tombstone tombstone{*inode.before, {}, last};
  if (inode.last_place) tombstone.place = *inode.last_place;
  tombstone.place.inode = id;
  return sql_.put_tombstone(tombstone);
}

Status ConfirmedEdit::write_pending(InodeId id, Inode& inode, const Visible& seen, VisibleChanges& changes) {
  bool news = !same(inode.row, inode.before);
  if (news && !options_.own) changes.replan = true;
  bool stored_is_confirmed = inode.stored && inode.stored->changed <= options_.acknowledged;   // once that is written
  Lsn changed = std::max(seen.changed, TRY(content(id)).changed);
  if (auto it = held_.find(id); it != held_.end()) changed = std::max(changed, it->second);
  waiting_[id] = changed;
  if (inode.row || inode.base || stored_is_confirmed) TRY(sql_.put_base_inode(id, {inode.row, changed}));
  if (inode.row && inode.row->has_xattrs && seen.row && !seen.row->has_xattrs) has_xattrs_[id] = true;
  return {};
}

InodeRow ConfirmedEdit::shown(const Inode& inode, const Visible& seen) const {
  const InodeRow& confirmed = *inode.row;
  InodeRow row;
  if (options_.own && seen.row) {
    // Attributes are not compared by the server: somebody else's may have come before the commit, which need not set what
    // its records did, for it was so already. Access times are nobody's but ours.
    row = *seen.row;
    row.attributes = confirmed.attributes;
    row.attributes.atime = seen.row->attributes.atime;
    row.version = confirmed.version;
    row.links = confirmed.links;
    row.content = confirmed.content;
  } else {
    row = confirmed;
    row.changed = Lsn{};
    // A dead directory's flag says nothing of the one that has come back.
    row.listed = seen.row && seen.row->links > 0 ? seen.row->listed : confirmed.listed;
  }
  row.has_xattrs = confirmed.has_xattrs || (seen.row && seen.row->has_xattrs);
  if (auto it = listed_.find(row.id); it != listed_.end()) row.listed = it->second;
  return row;
}

Status ConfirmedEdit::write_clean(InodeId id, Inode& inode, const Visible& seen, VisibleChanges& changes) {
  if (inode.base) TRY(sql_.erase_base_inode(id));
  if (!inode.row && !seen.row) return sql_.erase_base_manifest(id);
  std::optional<InodeRow> row;
  if (inode.row) {
    row = shown(inode, seen);
    if (!seen.row && !inode.put) {
      // Erased here, and yet it lives: its content comes back as the server has it.
      if (auto manifest = TRY(sql_.base_manifest(id))) TRY(sql_.put_manifest(id, *manifest));
      TRY(sql_.erase_base_manifest(id));
      stale_contents_.push_back(id);
    }
  } else {
    row = seen.row;
    if (row->links > 0) {
      TRY(store_.may_be_replaced(lock_, id));
      changes.dead.push_back(id);
    }
    row->links = 0;
    if (inode.last_place) row->parent = inode.last_place->directory;
  }
  if (seen.row && same(*row, *seen.row) && inode.stored) return {};
  if (seen.row ? !looks_same(*row, *seen.row) : store_.outlived_.may_contain(id)) changes.attributes.push_back(id);
  if (seen.row && seen.row->listed && !row->listed) {
    unlisted_.push_back(id);
    changes.unlisted.push_back(id);
    changes.contents.push_back(id);
  }
  auto before = JournaledMetadataStore::weight_of(seen.row ? &*seen.row : nullptr);
  auto after = JournaledMetadataStore::weight_of(&*row);
  more_inodes_ += after.inodes - before.inodes;
  more_bytes_ += after.bytes - before.bytes;
  TRY(sql_.put_inode(*row));
  inode.stored = row;
  new_inodes_.emplace_back(id, std::move(row));
  return {};
}

Status ConfirmedEdit::patch_flags(InodeId id, const Patch& patch) {
  if (auto base = TRY(sql_.base_inode(id)); base && base->row) {
    if (patch.listed) base->row->listed = *patch.listed;
    if (patch.has_xattrs) base->row->has_xattrs = *patch.has_xattrs;
    TRY(sql_.put_base_inode(id, *base));
  }
  auto it = inodes_.find(id);
  if (it == inodes_.end() || !it->second.stored) return {};
  InodeRow row = *it->second.stored;
  if (patch.listed) row.listed = *patch.listed;
  if (patch.has_xattrs) row.has_xattrs = *patch.has_xattrs;
  return sql_.put_inode(row);
}

/// The last record that an inode's visible row waits for; 0: it shows what is confirmed. Once the inodes are written.
Result<Lsn> ConfirmedEdit::waits_for(InodeId id) {
  if (auto it = waiting_.find(id); it != waiting_.end()) return it->second;
  if (auto it = held_.find(id); it != held_.end()) return it->second;
  if (!id || store_.log_->last() <= options_.acknowledged) return Lsn{};
  const Lsn changed = visible(id, *TRY(inode(id))).changed;
  return changed > options_.acknowledged ? changed : Lsn{};
}

Status ConfirmedEdit::write_dentry(const NameKey& key, Dentry& dentry, VisibleChanges& changes) {
  auto inode_of = [](const std::optional<DentryRow>& row) { return row ? row->inode : InodeId{}; };
  auto [seen, changed] = visible(key, dentry);
  const bool stored_is_confirmed = dentry.stored && dentry.stored->changed <= options_.acknowledged;   // once that is written
  bool news = inode_of(dentry.row) != inode_of(dentry.before) ||
              (!dentry.base && stored_is_confirmed && inode_of(dentry.row) != inode_of(dentry.stored));
  if (dentry.row && dentry.row->cookie == 0)
    dentry.row->cookie = seen ? seen->cookie : dentry.before ? dentry.before->cookie : store_.next_cookie_++;
  bool pending = changed > options_.acknowledged;
  if (!pending && inode_of(dentry.row) != inode_of(seen)) {
    // A name shows when the row that counts it does: whoever finds one that the inode does not count takes what he
    // writes there for an unlinked file's.
    const Lsn waits = std::max(TRY(waits_for(inode_of(dentry.row))), TRY(waits_for(inode_of(seen))));
    if (waits) {
      pending = news = true;
      changes.replan = true;
      changed = std::max(changed, waits);
    }
  }
  if (pending) {
    if (!news) return {};
    if (!options_.own) changes.replan = true;
    if (!dentry.row && !dentry.base && !stored_is_confirmed) return {};
    return sql_.put_base_dentry(key.owner, key.name, {dentry.row, changed});
  }
  if (dentry.base) TRY(sql_.erase_base_dentry(key.owner, key.name));
  if (inode_of(dentry.row) == inode_of(seen)) return {};
  // What was never there for anybody, in a directory that was never known in full, nobody takes for absent.
  if (seen || !reveals_ || key.owner != listing_) changes.names.push_back({key.owner, key.name});
  if (dentry.row) {
    dentry.row->changed = Lsn{};
    TRY(sql_.put_dentry(*dentry.row));
  } else {
    TRY(sql_.erase_dentry(key.owner, key.name));
  }
  new_dentries_.emplace_back(key, dentry.row);
  return {};
}

Status ConfirmedEdit::write_xattr(const NameKey& key, Xattr& xattr, VisibleChanges& changes) {
  std::optional<Bytes> seen = xattr.stored ? std::optional<Bytes>(xattr.stored->value) : std::nullopt;
  Lsn changed = xattr.stored ? xattr.stored->changed : Lsn{};
  if (auto it = store_.xattrs_.find(key); it != store_.xattrs_.end()) {
    seen = it->second.value;
    changed = it->second.changed;
  }
  if (xattr.base) changed = std::max(changed, xattr.base->changed);
  auto owner = inodes_.find(key.owner);
  bool dropped = owner != inodes_.end() && owner->second.fresh && !owner->second.reachable && !owner->second.stored;
  if (dropped) return {};
  if (changed > options_.acknowledged) {
    const bool stored_is_confirmed = xattr.stored && xattr.stored->changed <= options_.acknowledged;   // once that is written
    if (xattr.value == xattr.before && (xattr.base || !stored_is_confirmed || xattr.value == xattr.stored->value)) return {};
    if (!options_.own) changes.replan = true;
    std::optional<XattrRow> row;
    if (xattr.value) row = XattrRow{*xattr.value, Lsn{}};
    return sql_.put_base_xattr(key.owner, key.name, {row, changed});
  }
  if (xattr.base) TRY(sql_.erase_base_xattr(key.owner, key.name));
  if (xattr.value == seen) return {};
  changes.attributes.push_back(key.owner);
  return xattr.value ? sql_.put_xattr(key.owner, key.name, {*xattr.value, Lsn{}})
                     : sql_.erase_xattr(key.owner, key.name);
}

void ConfirmedEdit::publish_names() {
  // Only new entries, in the order of their cookies: that is what the directory shows now.
  const bool lists = whole_ && dentries_.empty() && !store_.pinned_names_.of(listing_);
  std::vector<NameLists::Row> rows;
  if (lists) rows.reserve(new_dentries_.size());
  for (auto& [key, row] : new_dentries_) {
    auto shared = row ? std::make_shared<DentryRow>(std::move(*row)) : nullptr;
    if (lists) {
      rows.push_back(std::move(shared));   // nobody has asked for these names: the kernel learns them with the listing
      continue;
    }
    store_.name_lists_.forget(key.owner);
    store_.dentries_.fill(key, std::move(shared), Lsn{});
  }
  if (!lists) return;
  store_.resident_.erase(listing_);   // these names are in the database, and not in memory one by one
  store_.name_lists_.keep(listing_, rows, NameLists::kAll);
}

void ConfirmedEdit::publish() {
  for (auto& [id, row] : new_inodes_) {
    auto shared = row ? std::make_shared<InodeRow>(std::move(*row)) : nullptr;
    const auto& entry = store_.inodes_.fill(id, shared, shared ? shared->changed : Lsn{});
    if (entry.pinned) store_.inodes_.pin(id, std::move(shared), entry.changed);
  }
  publish_names();
  for (ContentState& state : new_contents_) {
    InodeId id = state.row.inode;
    auto* entry = store_.contents_.peek(id);
    store_.count_dirty(lock_, state.dirty_before, 0);
    if (!entry || !entry->pinned) {
      if (!entry) continue;
      store_.contents_.forget(id);
      continue;
    }
    CachedContent& content = store_.own_content(lock_, *entry, id);
    content.row = std::move(state.row);
    content.manifest_changed = content.manifest_recorded = content.manifest_noted = false;
    store_.contents_.pin_again(*entry);
  }
  for (InodeId id : stale_contents_) store_.contents_.forget(id);
  for (InodeId id : unlisted_) {
    store_.resident_.erase(id);
    store_.name_lists_.forget(id);
    store_.outlived_.add(id);
  }
  for (auto& [id, patch] : patches_) {
    if (patch.listed == false) {
      store_.resident_.erase(id);
      store_.name_lists_.forget(id);
      store_.outlived_.add(id);
    }
    auto* entry = store_.inodes_.peek(id);
    if (!entry || !entry->row) continue;
    auto row = std::make_shared<InodeRow>(*entry->row);
    if (patch.listed) row->listed = *patch.listed;
    if (patch.has_xattrs) row->has_xattrs = *patch.has_xattrs;
    if (entry->pinned) store_.inodes_.pin(id, std::move(row), entry->changed);
    else store_.inodes_.fill(id, std::move(row), entry->changed);
  }
  store_.totals_.inodes += more_inodes_;
  store_.totals_.bytes += more_bytes_;
  store_.totals_on_disk_.inodes += more_inodes_;
  store_.totals_on_disk_.bytes += more_bytes_;
  for (InodeId id : cleaned_) store_.cleaned_[id] = store_.database_writes_;
}

}  // namespace skymoor::client
