// What each effect, and each listed row, does to the confirmed tree.
#include <algorithm>

#include "fuse/journal/confirmed/confirmed_edit.h"
#include "shared/base/log.h"
#include "shared/model/change.h"

namespace skymoor::client {

Result<ConfirmedEdit::Inode*> ConfirmedEdit::inode(InodeId id) {
  auto [it, fresh] = inodes_.try_emplace(id);
  Inode& inode = it->second;
  if (!fresh) return &inode;
  if (TRY(any_base())) inode.base = TRY(sql_.base_inode(id));
  inode.stored = TRY(sql_.inode(id));
  Lsn acknowledged{store_.acknowledged_};
  if (inode.base) inode.before = inode.base->row;
  else if (inode.stored && inode.stored->changed <= acknowledged) inode.before = inode.stored;
  if (inode.before && inode.before->links == 0) inode.before.reset();  // an orphan: local only
  inode.row = inode.before;
  return &inode;
}

// With nothing pending there is nothing to look for in the base tables: that halves the work for a listing.
Result<bool> ConfirmedEdit::any_base() {
  if (!any_base_) any_base_ = TRY(sql_.any_base());
  return *any_base_;
}

Result<bool> ConfirmedEdit::any_xattr() {
  if (!any_xattr_) any_xattr_ = TRY(sql_.any_xattr());
  return *any_xattr_;
}

Status ConfirmedEdit::expect_listing(InodeId directory, bool whole) {
  listing_ = directory;
  bool empty = true;
  auto visit = [&](DentryRow&&, std::optional<InodeRow>&&) { return empty = false; };
  TRY(sql_.entries(directory, 0, false, visit));
  if (empty) empty_directory_ = directory;
  whole_ = whole && empty;
  const Visible seen = visible(directory, *TRY(inode(directory)));
  reveals_ = !(seen.row && seen.row->listed) && !store_.outlived_.may_contain(directory);
  return {};
}

/// A name has come into a directory where it does not show yet. Who was told that it is not there, when the directory was
/// known in full, must ask again, which makes it be listed.
Status ConfirmedEdit::doubt_absence(InodeId directory, const std::string& name) {
  const Visible seen = visible(directory, *TRY(inode(directory)));
  if ((seen.row && seen.row->listed) || store_.outlived_.may_contain(directory)) doubted_.emplace_back(directory, name);
  return {};
}

Result<ConfirmedEdit::Dentry*> ConfirmedEdit::dentry(InodeId directory, std::string_view name) {
  auto [it, fresh] = dentries_.try_emplace(NameKey(directory, std::string(name)));
  Dentry& dentry = it->second;
  if (!fresh) return &dentry;
  if (TRY(any_base())) dentry.base = TRY(sql_.base_dentry(directory, name));
  if (empty_directory_ != directory) dentry.stored = TRY(sql_.dentry(directory, name));
  if (dentry.base) dentry.before = dentry.base->row;
  else if (dentry.stored && dentry.stored->changed <= Lsn{store_.acknowledged_}) dentry.before = dentry.stored;
  dentry.row = dentry.before;
  return &dentry;
}

Result<ConfirmedEdit::Xattr*> ConfirmedEdit::xattr(InodeId inode, std::string_view name) {
  auto [it, fresh] = xattrs_.try_emplace(NameKey(inode, std::string(name)));
  Xattr& xattr = it->second;
  if (!fresh) return &xattr;
  if (TRY(any_base())) xattr.base = TRY(sql_.base_xattr(inode, name));
  xattr.stored = TRY(sql_.xattr(inode, name));
  if (xattr.base) {
    if (xattr.base->row) xattr.before = xattr.base->row->value;
  } else if (xattr.stored && xattr.stored->changed <= Lsn{store_.acknowledged_}) {
    xattr.before = xattr.stored->value;
  }
  xattr.value = xattr.before;
  return &xattr;
}

Status ConfirmedEdit::apply(const TreeEffect& effect) {
  return std::visit([this](const auto& one) { return apply_one(one); }, effect);
}

bool ConfirmedEdit::known_before(const Inode& inode) const {
  return inode.row && !inode.fresh && inode.before && inode.before->version >= options_.sequence;
}

bool ConfirmedEdit::listed_since(InodeId directory) const {
  auto it = store_.listings_.find(directory);
  return it != store_.listings_.end() && it->second >= options_.sequence;
}

// Names come into a directory that is known in full, or take the place of one that is known. All others come with the
// listing, when somebody looks.
Result<bool> ConfirmedEdit::knows_slot(InodeId directory, const std::string& slot_name, const Dentry& slot) {
  if (slot.before) return true;
  if (auto listing = store_.listing_now_.find(directory); listing != store_.listing_now_.end()) {
    listing->second.unseen.erase(slot_name);
    return true;
  }
  Inode& inode = *TRY(this->inode(directory));
  if (!inode.row) return false;
  if (auto it = listed_.find(directory); it != listed_.end()) return it->second;
  Visible seen = visible(directory, inode);
  return seen.row && seen.row->links > 0 ? seen.row->listed : inode.row->listed;
}

/// A row that a listing brought is ahead of names that the feed has told: more of them than it counts must not show, or
/// whoever removes one takes the file for deleted. Of those that no listing of its age has, enough go; where it is not
/// certain that they are gone, their directories are listed anew.
Status ConfirmedEdit::fit_names(InodeId id, const NameKey& put) {
  const Inode& inode = *TRY(this->inode(id));
  if (!inode.row || !inode.before) return {};
  const bool is_directory = inode.row->attributes.type == FileType::kDirectory;
  const std::size_t counted = is_directory ? 1 : inode.row->links;
  std::vector<NameKey> keys{put};
  auto find = TRY(sql_.db().prepare("SELECT directory,name FROM dentry WHERE inode=?1 UNION "
                                    "SELECT directory,name FROM base_dentry WHERE inode=?1 AND present=1"));
  find.bind(1, id.value);
  while (TRY(find.step())) keys.emplace_back(InodeId{find.u64(0)}, std::string(as_text(find.blob(1))));
  std::size_t known = 0;
  std::vector<NameKey> doubted;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys[i].owner == put.owner && keys[i].name == put.name) continue;
    const Dentry& dentry = *TRY(this->dentry(keys[i].owner, keys[i].name));
    if (!dentry.row || dentry.row->inode != id) continue;
    ++known;
    if (keys[i].owner != listing_ && !listed_since(keys[i].owner)) doubted.push_back(keys[i]);
  }
  const bool all_gone = counted + doubted.size() <= known;
  for (; known > counted && !doubted.empty(); --known, doubted.pop_back()) {
    TRY(dentry(doubted.back().owner, doubted.back().name))->row.reset();
    if (!all_gone) TRY(set_listed(doubted.back().owner, false));
  }
  return {};
}

Status ConfirmedEdit::apply_one(const NewEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  if (inode.row) return {};
  inode.fresh = true;
  inode.reachable = false;
  inode.linked = false;
  InodeRow row;
  row.id = effect.inode;
  row.attributes = effect.attributes;
  row.target = effect.target;
  row.version = options_.sequence;
  row.listed = effect.attributes.type == FileType::kDirectory;  // every name in it will come through the feed
  inode.row = std::move(row);
  return {};
}

// A name for an inode that died: the inode comes back as it was.
Status ConfirmedEdit::revive(InodeId id, Inode& inode) {
  auto tombstone = TRY(sql_.tombstone(id));
  if (!tombstone) return {};
  inode.row = std::move(tombstone->row);
  inode.row->links = 0;
  inode.linked = false;
  return sql_.erase_tombstone(id);
}

Status ConfirmedEdit::apply_one(const LinkEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  Inode& directory = *TRY(this->inode(effect.directory));
  Dentry& slot = *TRY(dentry(effect.directory, effect.name));
  if (!inode.row) TRY(revive(effect.inode, inode));
  bool in_known_slot = TRY(knows_slot(effect.directory, effect.name, slot));
  if (!inode.row) {
    // It was moved here from a part of the tree that is not known. Listing the directory again will bring it.
    if (options_.own || listed_since(effect.directory)) return {};
    if (in_known_slot) TRY(set_listed(effect.directory, false));
    return doubt_absence(effect.directory, effect.name);
  }
  bool is_directory = inode.row->attributes.type == FileType::kDirectory;
  bool already = slot.row && slot.row->inode == effect.inode;
  if (!known_before(inode) && !already) {
    if (is_directory) {
      inode.row->links = std::max(inode.row->links, 2u);
      inode.linked = true;
    } else {
      ++inode.row->links;
    }
    inode.row->parent = effect.directory;
    inode.row->version = options_.sequence;
  }
  // A listing of the directory itself does not tell where it is: whatever puts its name there does.
  if (is_directory && already) inode.row->parent = effect.directory;
  if (listed_since(effect.directory)) {
    inode.reachable = inode.reachable || already;
    return {};
  }
  if (is_directory && directory.row && !already) ++directory.row->links;
  // Nor does it show in a new directory that itself lies where nobody has looked.
  const bool shows = in_known_slot && (!directory.fresh || directory.reachable);
  if (!shows && !options_.own) return doubt_absence(effect.directory, effect.name);
  inode.reachable = true;
  if (is_directory) inode.row->parent = effect.directory;
  slot.row = DentryRow{effect.directory, effect.name, effect.inode, inode.row->attributes.type, 0, Lsn{}};
  return known_before(inode) && !already ? fit_names(effect.inode, NameKey(effect.directory, effect.name)) : Status();
}

Status ConfirmedEdit::apply_one(const UnlinkEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  Inode& directory = *TRY(this->inode(effect.directory));
  Dentry& slot = *TRY(dentry(effect.directory, effect.name));
  bool is_directory = inode.row && inode.row->attributes.type == FileType::kDirectory;
  if (inode.row && !known_before(inode)) {
    inode.last_place = DentryRow{effect.directory, effect.name, effect.inode, inode.row->attributes.type, 0, Lsn{}};
    if (is_directory) inode.linked = false;
    else if (inode.row->links > 0) --inode.row->links;
    inode.row->version = options_.sequence;
  }
  if (listed_since(effect.directory)) return {};
  if (is_directory && directory.row && directory.row->links > 2) --directory.row->links;
  if (slot.row && slot.row->inode == effect.inode) slot.row.reset();
  return {};
}

Status ConfirmedEdit::apply_one(const PutEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  if (inode.row && known_before(inode) && inode.row->content == effect.content)
    inode.put = ManifestRow{effect.content, effect.manifest};  // the listing may have left it out
  if (!inode.row || known_before(inode)) return {};
  inode.row->content = effect.content;
  inode.row->attributes.size = effect.size;
  inode.row->attributes.mtime = effect.mtime;
  inode.row->attributes.ctime = effect.ctime;
  inode.row->version = options_.sequence;
  inode.put = ManifestRow{effect.content, effect.manifest};
  return {};
}

Status ConfirmedEdit::apply_one(const AttributeEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  if (!inode.row || known_before(inode)) return {};
  Attributes& a = inode.row->attributes;
  if (effect.fields & kFieldMode) a.mode = effect.values.mode;
  if (effect.fields & kFieldUid) a.uid = effect.values.uid;
  if (effect.fields & kFieldGid) a.gid = effect.values.gid;
  if (effect.fields & kFieldAtime) a.atime = effect.values.atime;
  if (effect.fields & kFieldMtime) a.mtime = effect.values.mtime;
  if (effect.fields & kFieldCtime) a.ctime = effect.values.ctime;
  inode.row->version = options_.sequence;
  return {};
}

Status ConfirmedEdit::apply_one(const XattrEffect& effect) {
  Inode& inode = *TRY(this->inode(effect.inode));
  if (!inode.row || known_before(inode)) return {};
  Xattr& xattr = *TRY(this->xattr(effect.inode, effect.name));
  xattr.value = effect.value;
  if (effect.value) inode.row->has_xattrs = true;
  inode.row->version = options_.sequence;
  return {};
}

Status ConfirmedEdit::forget_version(InodeId id) {
  Inode& inode = *TRY(this->inode(id));
  if (inode.row) inode.row->version = Sequence{};
  return {};
}

Status ConfirmedEdit::remove(InodeId id) {
  Inode& inode = *TRY(this->inode(id));
  if (!inode.row) return {};
  inode.row->links = 0;
  inode.linked = false;
  return {};
}

Result<bool> ConfirmedEdit::add_unheard(InodeId directory, const MetadataStore::ListedRow& listed) {
  const InodeId id = listed.inode.id;
  const NameView name{directory, listed.name};
  if (TRY(any_base()) || !listed.xattrs.empty()) return false;
  // What memory knows, pending or not, and what this edit has met.
  if (inodes_.contains(id) || dentries_.contains(name) || store_.inodes_.peek(id) || store_.dentries_.peek(name)) return false;
  // Of an inode that died here xattrs may be left, which are not the server's.
  if (TRY(any_xattr()) && !TRY(sql_.xattr_names(id)).empty()) return false;
  InodeRow row = listed.inode;
  row.changed = Lsn{};
  row.listed = row.has_xattrs = false;
  if (row.attributes.type == FileType::kDirectory) row.links = 2;
  if (!row.parent) row.parent = directory;
  if (!TRY(sql_.add_inode(row))) return false;
  if (row.content != OpId{}) TRY(sql_.put_manifest(id, {row.content, listed.manifest}));
  stale_contents_.push_back(id);
  if (store_.outlived_.may_contain(id)) remembered_.push_back(id);
  const auto weight = JournaledMetadataStore::weight_of(&row);
  more_inodes_ += weight.inodes;
  more_bytes_ += weight.bytes;
  DentryRow dentry{directory, listed.name, id, row.attributes.type, store_.next_cookie_, Lsn{}};
  new_inodes_.emplace_back(id, std::move(row));
  empty_directory_ = {};
  if (!TRY(sql_.add_dentry(dentry))) return false;
  ++store_.next_cookie_;
  if (!reveals_) doubted_.emplace_back(directory, listed.name);
  new_dentries_.emplace_back(NameKey(name), std::move(dentry));
  return true;
}

Status ConfirmedEdit::merge(const MetadataStore::ListedRow& listed) {
  const InodeRow& news = listed.inode;
  Inode& inode = *TRY(this->inode(news.id));
  if (inode.row && inode.row->version >= news.version && inode.row->version) return {};
  OpId content_before = inode.row ? inode.row->content : OpId{};
  bool had_xattrs = inode.row && inode.row->has_xattrs;
  const bool unknown = !inode.row;   // or dead: what is left of its xattrs is not the server's
  InodeRow row = news;
  row.changed = Lsn{};
  row.listed = inode.row && inode.row->listed;
  row.has_xattrs = had_xattrs || !listed.xattrs.empty();
  // The server counts names; subdirectories are counted here, by the feed and by a complete listing.
  if (row.attributes.type == FileType::kDirectory) row.links = inode.row ? std::max(inode.row->links, 2u) : 2u;
  if (!row.parent && inode.row) row.parent = inode.row->parent;
  inode.row = std::move(row);
  if (inode.row->content != content_before) inode.put = ManifestRow{news.content, listed.manifest};
  if (had_xattrs || unknown)
    for (const std::string& name : TRY(sql_.xattr_names(news.id))) TRY(xattr(news.id, name))->value.reset();
  for (const auto& [name, value] : listed.xattrs) TRY(xattr(news.id, name))->value = value;
  return {};
}

Status ConfirmedEdit::merge_name(InodeId directory, const MetadataStore::ListedRow& listed) {
  Dentry& slot = *TRY(dentry(directory, listed.name));
  if (slot.row && slot.row->inode == listed.inode.id) return {};
  slot.row = DentryRow{directory, listed.name, listed.inode.id, listed.inode.attributes.type, 0, Lsn{}};
  Inode& inode = *TRY(this->inode(listed.inode.id));
  const bool is_directory = listed.inode.attributes.type == FileType::kDirectory;
  if (inode.row && (is_directory || !inode.row->parent)) inode.row->parent = directory;
  return directory == listing_ ? fit_names(listed.inode.id, NameKey(directory, listed.name)) : Status();
}

Result<std::unordered_set<std::string>> ConfirmedEdit::known_names(InodeId directory) {
  return sql_.confirmed_names(directory, Lsn{store_.acknowledged_});
}

Status ConfirmedEdit::drop_name(InodeId directory, std::string_view name) {
  TRY(dentry(directory, name))->row.reset();
  return {};
}

Status ConfirmedEdit::set_listed(InodeId directory, bool listed) {
  TRY(inode(directory));
  listed_[directory] = listed;
  return {};
}

// Contents that the server got before the records that made them (a full commit takes what the file holds by then): its
// version waits in the base table until the last of those records is covered, which is now.
Status ConfirmedEdit::settle_sent_ahead() {
  std::vector<InodeId> inodes;
  auto find = TRY(sql_.db().prepare("SELECT b.inode FROM base_manifest b JOIN content c ON c.inode=b.inode "
                                    "WHERE c.changed<=?1"));
  find.bind(1, options_.acknowledged.value);
  while (TRY(find.step())) inodes.push_back(InodeId{find.u64(0)});
  for (InodeId id : inodes) {
    Inode* inode = TRY(this->inode(id));
    if (!inode->row || inode->put) continue;
    auto sent = TRY(sql_.base_manifest(id));
    if (sent && sent->content == inode->row->content) inode->put = std::move(sent);
  }
  return {};
}

// What the covered records made here, and the commit did not (the plan has changed since the tree was last planned anew, or
// since it was sent: xattrs are not compared by the server), the server does not have.
Status ConfirmedEdit::settle_unsent() {
  const std::uint64_t before = store_.acknowledged_.load(), now = options_.acknowledged.value;
  const auto made = [&](const char* columns, const char* table) -> Result<sqlite::Statement> {
    auto find = TRY(sql_.db().prepare(std::string("SELECT ") + columns + " FROM " + table +
                                      " WHERE changed>0 AND changed>?1 AND changed<=?2"));
    find.bind(1, before).bind(2, now);
    return find;
  };
  const auto names = [&](const char* columns, const char* table) -> Result<std::vector<NameKey>> {
    std::vector<NameKey> found;
    auto find = TRY(made(columns, table));
    while (TRY(find.step())) found.emplace_back(InodeId{find.u64(0)}, std::string(as_text(find.blob(1))));
    return found;
  };
  std::vector<InodeId> inodes;
  auto find = TRY(made("id", "inode"));
  while (TRY(find.step())) inodes.push_back(InodeId{find.u64(0)});
  for (InodeId id : inodes) TRY(inode(id));
  const auto dentries = TRY(names("directory,name", "dentry"));
  for (const NameKey& key : dentries) TRY(dentry(key.owner, key.name));
  const auto xattrs = TRY(names("inode,name", "xattr"));
  for (const NameKey& key : xattrs) TRY(xattr(key.owner, key.name));
  return {};
}

Status ConfirmedEdit::settle_covered() {
  sqlite::Database& db = sql_.db();
  std::vector<InodeId> inodes;
  auto find = TRY(db.prepare("SELECT id FROM base_inode WHERE changed<=?1"));
  find.bind(1, options_.acknowledged.value);
  while (TRY(find.step())) inodes.push_back(InodeId{find.u64(0)});
  for (InodeId id : inodes) TRY(inode(id));
  // Deleted here before the server, or anybody else, ever heard of what was in them.
  find = TRY(db.prepare("SELECT id FROM inode WHERE links=0 AND changed>0 AND changed<=?1"));
  find.bind(1, options_.acknowledged.value);
  while (TRY(find.step())) orphans_.push_back(InodeId{find.u64(0)});
  for (InodeId id : orphans_) TRY(inode(id));
  TRY(settle_sent_ahead());
  TRY(settle_unsent());
  std::vector<NameKey> names;
  find = TRY(db.prepare("SELECT directory,name FROM base_dentry WHERE changed<=?1"));
  find.bind(1, options_.acknowledged.value);
  while (TRY(find.step())) names.emplace_back(InodeId{find.u64(0)}, std::string(as_text(find.blob(1))));
  for (const NameKey& key : names) TRY(dentry(key.owner, key.name));
  names.clear();
  find = TRY(db.prepare("SELECT inode,name FROM base_xattr WHERE changed<=?1"));
  find.bind(1, options_.acknowledged.value);
  while (TRY(find.step())) names.emplace_back(InodeId{find.u64(0)}, std::string(as_text(find.blob(1))));
  for (const NameKey& key : names) TRY(xattr(key.owner, key.name));
  return {};
}

}  // namespace skymoor::client
