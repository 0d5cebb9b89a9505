#include "fuse/sync/plan/planner.h"

#include <algorithm>
#include <set>

#include "fuse/sync/plan/content_made.h"
#include "fuse/sync/plan/plan_run.h"

namespace skymoor::client {

Result<Plan> plan(const LogRecord& record, TreeView& tree, const Aliases& known, const PlanContext& context) {
  return PlanRun(record, tree, known, context).run();
}

void Questions::add(const LogRecord& record, WriterId writer, const std::vector<ContentQuestion>& asked) {
  const auto write = content_made(record, writer);
  const OpId written = write ? OpId{writer, record.lsn.value} : OpId{};
  // What was written over something else, seen since, is another matter than what the question is about.
  if (auto known = write ? by_inode_.find(write->inode) : by_inode_.end(); known != by_inode_.end())
    for (std::size_t index : known->second)
      if (all_[index].end == write->seen) all_[index].end = written;
  for (const ContentQuestion& question : asked) {
    by_inode_[question.mine].push_back(all_.size());
    all_.push_back({question, written});
  }
}

Result<Plan> PlanRun::run() {
  TRY(std::visit([&](const auto& intent) { return on(intent); }, record_.intent));
  if (!plan_.dropped && !std::holds_alternative<LocalIntent>(record_.intent)) TRY(put_attributes());
  TRY(stamp_directories());
  return std::move(plan_);
}

/// A directory that only the plan touches (a conflict copy beside a file, something revived) changes its times, too:
/// whoever has listed it must notice.
Status PlanRun::stamp_directories() {
  std::set<InodeId> touched;
  for (const TreeEffect& effect : plan_.effects) {
    if (const auto* link = std::get_if<LinkEffect>(&effect)) touched.insert(link->directory);
    if (const auto* unlink = std::get_if<UnlinkEffect>(&effect)) touched.insert(unlink->directory);
  }
  for (const RowChange& change : record_.changes)
    if (const auto* put = std::get_if<PutInode>(&change)) touched.erase(resolve(put->row.id));
  for (InodeId directory : touched) {
    const auto node = TRY(tree_.node(directory));
    if (!node || !node->live()) continue;
    Attributes values = node->attributes;
    values.mtime = std::max(values.mtime, record_.time);
    values.ctime = std::max(values.ctime, record_.time);
    const std::uint8_t fields = differing_fields(node->attributes, values, kFieldMtime | kFieldCtime);
    if (fields) TRY(emit(AttributeEffect{directory, fields, values}));
  }
  return {};
}

Status PlanRun::on(const CreateIntent& intent) {
  const InodeRow* row = row_of(intent.inode);
  if (!row) return Error(Code::kInternal, "plan: a create without its inode's row");
  if (row->links == 0 || intent.name.empty()) return drop();  // no name: local until it is linked
  const Place wanted{resolve(intent.directory), intent.name};
  if (!context_.rules.create_revives_directory)
    if (const auto parent = TRY(tree_.node(wanted.directory)); !parent || !parent->live()) return drop();
  const Place place{TRY(revive(wanted.directory)), intent.name};
  read_slot(place);
  read_inode(place.directory);
  if (TRY(tree_.node(intent.inode))) {
    read_inode(intent.inode);
    return drop();
  }
  if (auto theirs = TRY(tree_.slot(place))) {
    const auto node = TRY(tree_.node(*theirs));
    if (node && TRY(same_thing(*row, *theirs, *node))) {
      read_inode(*theirs);
      plan_.aliases.inodes[intent.inode] = *theirs;
      return drop();
    }
  }
  const bool directory = row->attributes.type == FileType::kDirectory;
  if (!context_.rules.create_keeps_existing)
    if (auto theirs = TRY(tree_.slot(place))) TRY(emit(UnlinkEffect{place.directory, place.name, *theirs}));
  const Place free = TRY(place_for(wanted, intent.inode, directory));
  TRY(birth(intent.inode, *row));
  TRY(emit(LinkEffect{free.directory, free.name, intent.inode}));
  if (const auto made = content_made(record_, context_.writer)) {
    const Attributes& a = row->attributes;
    TRY(emit(PutEffect{intent.inode, row->content, a.size, a.mtime, a.ctime, {}}));
  }
  return put_xattrs(intent.inode, intent.inode);
}

Result<bool> PlanRun::same_thing(const InodeRow& mine, InodeId theirs, const TreeNode& their_node) {
  const Attributes& a = mine.attributes;
  const Attributes& b = their_node.attributes;
  if (a.type != b.type) return false;
  switch (a.type) {
    case FileType::kDirectory: return context_.rules.directories_merge;
    case FileType::kSymlink: return mine.target == their_node.target;
    case FileType::kFile: {
      if (!context_.rules.equal_contents_merge) return false;
      if (known_.ends_in(mine.id, record_.lsn, their_node.content)) return true;
      plan_.questions.push_back({mine.id, record_.lsn, theirs, their_node.content});
      return false;
    }
    default: return a.rdev == b.rdev;
  }
}

Status PlanRun::birth(InodeId inode, const InodeRow& row) {
  Attributes attributes = row.attributes;
  if (attributes.type == FileType::kFile) attributes.size = 0;  // size belongs to content
  return emit(NewEffect{inode, attributes, row.target});
}

Status PlanRun::on(const LinkIntent& intent) {
  InodeId inode = resolve(intent.inode);
  if (auto copy = TRY(own_copy(inode, effective_seen(intent.inode, intent.seen)))) inode = *copy;
  const Place wanted{resolve(intent.directory), intent.name};
  const Place place{TRY(revive(wanted.directory)), intent.name};
  read_inode(inode);
  read_slot(place);
  read_inode(place.directory);
  const bool known = TRY(tree_.node(inode)).has_value();
  if (known && TRY(tree_.slot(place)) == inode) return drop();
  const InodeRow* row = row_of(intent.inode);
  if (!known && !row) return drop();
  if (!known) TRY(birth(inode, *row));
  const Place free = TRY(place_for(wanted, inode, false));
  TRY(emit(LinkEffect{free.directory, free.name, inode}));
  if (known) return {};
  plan_.late_births.push_back(inode);
  if (row->content == OpId{}) return {};
  return emit(PutEffect{inode, row->content, row->attributes.size, row->attributes.mtime, row->attributes.ctime, {}});
}

Status PlanRun::on(const UnlinkIntent& intent) {
  InodeId inode = resolve(intent.inode);
  const OpId seen = effective_seen(intent.inode, intent.seen);
  const Place wanted{resolve(intent.directory), intent.name};
  auto node = TRY(tree_.node(inode));
  const auto copy = TRY(own_copy(inode, seen));
  std::optional<Place> place = TRY(find_place(inode, wanted, intent.last));
  // The author's version lives in his conflict copy: that is what he deleted; the other side's edit stays.
  if (copy && (!place || (node && node->content != seen))) {
    inode = *copy;
    node = TRY(tree_.node(inode));
    place = TRY(any_place(inode));
  }
  read_slot(wanted);
  if (!place || !node) return drop();
  read_slot(*place);
  read_inode(inode);
  if (node->names == 1) {
    if (context_.rules.unlink_checks_last_link && !intent.last) return drop();
    if (context_.rules.unlink_checks_content && node->content != seen) return drop();
  }
  return emit(UnlinkEffect{place->directory, place->name, inode});
}

Status PlanRun::on(const RmdirIntent& intent) {
  const InodeId inode = resolve(intent.inode);
  const Place wanted{resolve(intent.directory), intent.name};
  read_slot(wanted);
  read_inode(inode);
  if (context_.rules.rmdir_reads_children) read_children(inode);
  const auto place = TRY(find_place(inode, wanted, true));
  if (!place) return drop();
  if (context_.rules.rmdir_checks_children && !TRY(tree_.children(inode, 1)).empty()) return drop();
  return emit(UnlinkEffect{place->directory, place->name, inode});
}

Status PlanRun::on(const XattrIntent& intent) {
  const InodeRow* row = row_of(intent.inode);
  if (row && row->links == 0) return drop();
  bool any = false;
  for (InodeId inode : TRY(set_on(intent.inode))) {
    const auto node = TRY(tree_.node(inode));
    if (!node || !node->live()) continue;
    TRY(put_xattrs(intent.inode, inode));
    any = true;
  }
  return any ? Status() : drop();
}

Status PlanRun::on(const AttributeIntent& intent) {
  for (InodeId inode : TRY(set_on(intent.inode))) {
    const auto node = TRY(tree_.node(inode));
    if (node && node->live()) TRY(put_xattrs(intent.inode, inode));
  }
  return {};
}

/// What attributes are set on: the file, and beside it the conflict copy that holds what the author saw in it. Nobody may
/// read in a copy what its author had closed to him.
Result<std::vector<InodeId>> PlanRun::set_on(InodeId named) {
  std::vector<InodeId> inodes{resolve(named)};
  const InodeRow* row = row_of(named);
  if (row && row->content.writer == context_.writer)
    if (const auto copy = TRY(own_copy(inodes.front(), row->content))) inodes.push_back(*copy);
  return inodes;
}

/// What a record about `named` sets and removes of its xattrs, for `inode`, which stands for it.
Status PlanRun::put_xattrs(InodeId named, InodeId inode) {
  for (const RowChange& change : record_.changes) {
    if (const auto* put = std::get_if<PutXattr>(&change); put && put->inode == named)
      TRY(emit(XattrEffect{inode, put->name, put->value}));
    if (const auto* erase = std::get_if<EraseXattr>(&change); erase && erase->inode == named)
      TRY(emit(XattrEffect{inode, erase->name, std::nullopt}));
  }
  return {};
}

namespace {

bool is_write_of(const LogRecord& record, InodeId inode) {
  const auto* intent = std::get_if<WriteIntent>(&record.intent);
  return intent && intent->inode == inode;
}

bool is_set_on(const LogRecord& record, InodeId inode) {
  const auto* attributes = std::get_if<AttributeIntent>(&record.intent);
  const auto* xattr = std::get_if<XattrIntent>(&record.intent);
  return (attributes && attributes->inode == inode) || (xattr && xattr->inode == inode);
}

/// Which fields a record may set on an inode: what its intent is about, and the times that every change moves.
std::uint8_t fields_of(const LogRecord& record, const InodeRow& row, const TreeNode& node, const PlannerRules& rules) {
  if (const auto* intent = std::get_if<AttributeIntent>(&record.intent); intent && intent->inode == row.id) {
    const unsigned others = rules.attributes_go_by_field ? 0 : kFieldMode | kFieldUid | kFieldGid | kFieldMtime;
    return static_cast<std::uint8_t>(intent->fields | kFieldCtime | others);
  }
  if (const auto* intent = std::get_if<XattrIntent>(&record.intent); intent && intent->inode == row.id)
    return intent->name == "system.posix_acl_access" ? kFieldCtime | kFieldMode : kFieldCtime;
  if (is_write_of(record, row.id)) return kFieldMode;
  // A directory whose entries changed; the mtime of what was linked or moved is not this record's doing.
  if (const auto* intent = std::get_if<RenameIntent>(&record.intent); intent && intent->inode == row.id)
    return kFieldCtime;
  return node.directory() ? kFieldMtime | kFieldCtime : kFieldCtime;
}

}  // namespace

Status PlanRun::put_attributes() {
  for (const RowChange& change : record_.changes) {
    const auto* put = std::get_if<PutInode>(&change);
    if (!put || put->row.links == 0) continue;
    const bool sets = is_set_on(record_, put->row.id);
    for (InodeId inode : sets ? TRY(set_on(put->row.id)) : std::vector{resolve(put->row.id)}) TRY(put_attributes(put->row, inode));
  }
  return {};
}

Status PlanRun::put_attributes(const InodeRow& row, InodeId inode) {
  const auto node = TRY(tree_.node(inode));
  if (!node || !node->live()) return {};
  std::uint8_t wanted = fields_of(record_, row, *node, context_.rules);
  // A content that was sent ahead of its records brought times that are newer than theirs.
  if (own_and_later(node->content) || known_.ends_in(row.id, record_.lsn, node->content))
    wanted &= static_cast<std::uint8_t>(~(kFieldMtime | kFieldCtime));
  Attributes values = row.attributes;
  // A write clears setuid and setgid; no other difference of the mode is this record's doing.
  if (is_write_of(record_, row.id)) values.mode = node->attributes.mode & ~(06000u & ~values.mode);
  const std::uint8_t fields = differing_fields(node->attributes, values, wanted);
  return fields ? emit(AttributeEffect{inode, fields, values}) : Status();
}

}  // namespace skymoor::client
