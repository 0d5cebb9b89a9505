#include "fuse/sync/rebase/row_maker.h"

#include <algorithm>

#include "fuse/sync/plan/content_made.h"
#include "fuse/sync/plan/overlay.h"

namespace skymoor::client {

Result<std::optional<InodeRow>*> RowMaker::look(InodeId inode) {
  auto it = rows_.find(inode);
  if (it != rows_.end()) return &it->second;
  std::optional<InodeRow> found;
  auto visible = store_.inode(lock_, inode);
  if (visible.ok()) {
    found = std::move(visible).value();
    if (found->links > 0) visible_.insert(inode);
  } else if (visible.error().code() != Code::kNotFound && visible.error().code() != Code::kNotPresent) {
    return std::move(visible).error();
  } else {
    found = TRY(confirmed_.inode(inode));
  }
  return &rows_.emplace(inode, std::move(found)).first->second;
}

/// What an earlier record deleted or erased, or somebody else deleted, and the plan has use for again: made anew as the
/// plan knows it. What the confirmed tree, or an orphan's row, says of it is older than that.
Result<std::optional<InodeRow>*> RowMaker::row(InodeId inode, int names_more) {
  const bool known_before = rows_.contains(inode);
  auto* known = TRY(look(inode));
  if (!changed_.insert(inode).second || known_before || visible_.contains(inode)) return known;
  const auto node = TRY(tree_.node(inode));
  if (!node) return known;
  InodeRow made = *known ? std::move(**known) : InodeRow{};
  if (!*known) made.listed = node->directory() && TRY(tree_.is_new(inode));
  made.id = inode;
  made.attributes = node->attributes;
  made.target = node->target;
  made.content = node->content;
  made.links = static_cast<std::uint32_t>(std::max(0, static_cast<int>(node->names) - names_more));
  if (node->directory()) {
    unlinked_directories_[inode] = 2;
    made.links = made.links > 0 ? 2 : 0;
  }
  auto xattrs = TRY(tree_.xattrs(inode));
  if (auto names = store_.xattr_names(lock_, inode); names.ok())
    for (std::string& name : *names)
      if (!xattrs.contains(name)) changes_.push_back(EraseXattr{inode, std::move(name)});
  for (auto& [name, value] : xattrs) {
    made.has_xattrs = true;
    changes_.push_back(PutXattr{inode, name, std::move(value)});
  }
  *known = std::move(made);
  return known;
}

Status RowMaker::add(const TreeEffect& effect) {
  return std::visit([&](const auto& e) { return one(e); }, effect);
}

Status RowMaker::one(const NewEffect& effect) {
  InodeRow made;
  made.id = effect.inode;
  made.attributes = effect.attributes;
  made.target = effect.target;
  made.listed = effect.attributes.type == FileType::kDirectory;
  made.links = made.listed ? 2 : 0;
  if (made.listed) unlinked_directories_[effect.inode] = 2;
  rows_[effect.inode] = std::move(made);
  changed_.insert(effect.inode);
  return {};
}

std::uint64_t RowMaker::cookie_for(const LinkEffect& effect) const {
  std::uint64_t cookie = 0;  // 0: the store gives a new one
  for (const RowChange& change : record_.changes)
    if (const auto* put = std::get_if<PutDentry>(&change); put && put->row.name == effect.name) cookie = put->row.cookie;
  return cookie;
}

Status RowMaker::one(const LinkEffect& effect) {
  auto* child = TRY(row(effect.inode, 1));
  if (!*child) return Error(Code::kInternal, "re-plan: a link to an inode without a row");
  const FileType type = (*child)->attributes.type;
  (*child)->parent = effect.directory;
  if (type == FileType::kDirectory) {
    auto it = unlinked_directories_.find(effect.inode);
    (*child)->links = it != unlinked_directories_.end() ? it->second : std::max((*child)->links, 2u);
    auto* parent = TRY(row(effect.directory));
    if (*parent) ++(*parent)->links;
  } else {
    ++(*child)->links;
  }
  changes_.push_back(PutDentry{{effect.directory, effect.name, effect.inode, type, cookie_for(effect), record_.lsn}});
  return {};
}

Status RowMaker::one(const UnlinkEffect& effect) {
  auto* child = TRY(row(effect.inode, -1));
  if (*child) {
    if ((*child)->attributes.type == FileType::kDirectory) {
      unlinked_directories_[effect.inode] = (*child)->links;
      (*child)->links = 0;
      auto* parent = TRY(row(effect.directory));
      if (*parent && (*parent)->links > 2) --(*parent)->links;
    } else if ((*child)->links > 0) {
      --(*child)->links;
    }
    (*child)->parent = effect.directory;
  }
  changes_.push_back(EraseDentry{effect.directory, effect.name});
  return {};
}

Status RowMaker::one(const PutEffect& effect) {
  auto* changed = TRY(row(effect.inode));
  if (!*changed) return Error(Code::kInternal, "re-plan: content for an inode without a row");
  (*changed)->content = effect.content;
  (*changed)->attributes.size = effect.size;
  (*changed)->attributes.mtime = effect.mtime;
  (*changed)->attributes.ctime = effect.ctime;
  return {};
}

Status RowMaker::one(const AttributeEffect& effect) {
  auto* changed = TRY(row(effect.inode));
  if (*changed) set_fields((*changed)->attributes, effect.fields, effect.values);
  return {};
}

Status RowMaker::one(const XattrEffect& effect) {
  auto* changed = TRY(row(effect.inode));
  if (!*changed) return {};
  if (effect.value) {
    (*changed)->has_xattrs = true;
    changes_.push_back(PutXattr{effect.inode, effect.name, *effect.value});
  } else {
    changes_.push_back(EraseXattr{effect.inode, effect.name});
  }
  return {};
}

Result<bool> RowMaker::is_orphan(InodeId inode) {
  auto* known = TRY(look(inode));
  return *known && (*known)->links == 0;
}

/// Where the bytes that a record put into `inode` belong now; nothing when the plan has no use for them.
Result<std::optional<InodeId>> RowMaker::holder_of(InodeId inode, const Aliases& known) {
  const auto write = content_made(record_, writer_);
  const InodeId resolved = known.resolve(inode);
  if (!write || write->inode != inode) {
    if (resolved != inode || !*TRY(look(inode))) return std::optional<InodeId>();
    // A file without a name, as it was then: one that has a name again holds what the plan says.
    if (row_then(inode) && !named_then(inode) && !TRY(is_orphan(inode))) return std::optional<InodeId>();
    return std::optional(inode);
  }
  const Aliases::Copy* copy = known.copy_of(resolved);
  for (InodeId candidate : {copy ? copy->inode : resolved, resolved}) {
    const auto node = TRY(tree_.node(candidate));
    if (node && node->content.writer == writer_ && node->content.counter >= record_.lsn.value)
      return std::optional(candidate);
  }
  return std::optional<InodeId>();
}

Status RowMaker::add_content(InodeId inode, const RowChange& change, const Aliases& known) {
  const auto holder = TRY(holder_of(inode, known));
  if (!holder) return {};
  if (const auto* mark = std::get_if<MarkContent>(&change)) {
    MarkContent moved = *mark;
    moved.inode = *holder;
    changes_.push_back(moved);
  } else if (const auto* put = std::get_if<PutManifest>(&change)) {
    PutManifest moved = *put;
    moved.inode = *holder;
    changes_.push_back(std::move(moved));
  }
  return {};
}

/// Whether the author's file had a name: then the plan has said what the record comes to, and a file that somebody else
/// has deleted, and that a later record brings back, is the one that he deleted.
bool RowMaker::named_then(InodeId inode) const {
  const InodeRow* then = row_then(inode);
  return then && then->links > 0;
}

/// As the author's record left it, if that says so.
const InodeRow* RowMaker::row_then(InodeId inode) const {
  for (const RowChange& change : record_.changes)
    if (const auto* put = std::get_if<PutInode>(&change); put && put->row.id == inode) return &put->row;
  return nullptr;
}

Status RowMaker::add_local(const Aliases& known) {
  for (const RowChange& change : record_.changes) {
    const InodeId inode = std::visit(
        [](const auto& c) {
          using Kind = std::decay_t<decltype(c)>;
          if constexpr (std::is_same_v<Kind, PutInode>) return c.row.id;
          else if constexpr (std::is_same_v<Kind, PutDentry> || std::is_same_v<Kind, EraseDentry> ||
                             std::is_same_v<Kind, MoveContent> || std::is_same_v<Kind, LogData>) return InodeId{};
          else return c.inode;
        },
        change);
    if (!inode) continue;
    if (std::holds_alternative<MarkContent>(change) || std::holds_alternative<PutManifest>(change)) {
      TRY(add_content(inode, change, known));
      continue;
    }
    if (known.resolve(inode) != inode) continue;
    // What the tree knows comes from effects; a row without links tells of an open file that only this device has.
    const auto* put = std::get_if<PutInode>(&change);
    const bool planned = TRY(tree_.node(inode)).has_value();
    if (planned && named_then(inode)) continue;
    if (planned && !TRY(is_orphan(inode))) continue;
    if (put) {
      rows_[inode] = put->row;
      changed_.insert(inode);
    } else {
      if (std::holds_alternative<EraseInode>(change)) rows_.erase(inode);
      changes_.push_back(change);
    }
  }
  return {};
}

std::vector<RowChange> RowMaker::take() {
  std::vector<RowChange> all;
  for (auto& [inode, made] : rows_)
    if (made && changed_.contains(inode)) all.push_back(PutInode{std::move(*made)});
  for (RowChange& change : changes_) all.push_back(std::move(change));
  return all;
}

}  // namespace skymoor::client
