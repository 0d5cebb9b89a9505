// Writes: the author's version goes over what he saw, or beside what he did not see.
#include "fuse/sync/plan/plan_run.h"

namespace skymoor::client {

Status PlanRun::on(const WriteIntent& intent) {
  const InodeRow* row = row_of(intent.inode);
  if (!row) return Error(Code::kInternal, "plan: a write without its inode's row");
  if (row->links == 0) return drop();  // an unlinked open file: local only, until a link gives it a name
  const OpId mine{context_.writer, record_.lsn.value};
  const InodeId original = resolve(intent.inode);
  InodeId inode = original;
  auto node = TRY(tree_.node(inode));
  if (!node) return write_stray(original, mine, *row);

  const OpId seen = effective_seen(intent.inode, intent.seen);
  if (const auto sent = sent_ahead(original, seen)) {
    // Others have seen it: what they wrote over it stands, and who deleted it deleted this.
    if (*sent != original) plan_.aliases.copies[original] = {*sent, mine};
    read_inode(*sent);
    const auto there = TRY(tree_.node(*sent));
    TRY(forgo_copy(*sent));
    return there && there->live() ? put_xattrs(row->id, *sent) : drop();
  }
  if (context_.rules.equal_contents_merge && known_.ends_in(intent.inode, record_.lsn, node->content)) {
    read_inode(inode);
    TRY(forgo_copy(inode));
    return drop();  // what these writes end in is there already
  }
  if (auto copy = TRY(own_copy(original, seen))) {
    inode = *copy;
    node = TRY(tree_.node(inode));
  }
  read_inode(inode);
  if (node->content == seen || own_and_later(node->content) || !context_.rules.edit_edit_makes_copy)
    return write_over(original, inode, *node, mine, *row);
  if (node->content.writer != context_.writer) plan_.questions.push_back({intent.inode, record_.lsn, inode, node->content});
  return write_copy(inode, *node, mine, *row);
}

Status PlanRun::write_over(InodeId original, InodeId inode, const TreeNode& node, OpId mine, const InodeRow& row) {
  TRY(forgo_copy(inode));
  if (!own_and_later(node.content)) {
    const Attributes& a = row.attributes;
    TRY(emit(PutEffect{inode, mine, a.size, a.mtime, a.ctime, {}}));
  }
  TRY(put_xattrs(row.id, inode));
  if (inode != original) plan_.aliases.copies[original] = {inode, mine};
  if (node.live() || !context_.rules.edit_revives_deleted) return {};
  // Edit beats delete: back to where it was.
  const auto last = TRY(tree_.last_place(inode));
  const Place wanted = last ? *last : Place{resolve(row.parent), "recovered"};
  const Place free = TRY(place_for(wanted, inode, false));
  return emit(LinkEffect{free.directory, free.name, inode});
}

/// An earlier plan made a copy here that this one does not need: records that name it mean this file.
Status PlanRun::forgo_copy(InodeId inode) {
  const InodeId copy = make_inode_id(context_.writer, record_.lsn.value);
  if (known_.shown.contains(copy) && !TRY(tree_.node(copy))) plan_.aliases.inodes[copy] = inode;
  return {};
}

Status PlanRun::write_copy(InodeId original, const TreeNode& node, OpId mine, const InodeRow& row) {
  const InodeId copy = make_inode_id(context_.writer, record_.lsn.value);
  // One that was made and deleted within one commit never was: what records say of it is about this one.
  if (const Aliases::Copy* before = copy_of(original);
      before && before->inode != copy && known_.shown.contains(before->inode) && !TRY(tree_.node(before->inode)))
    plan_.aliases.inodes[before->inode] = copy;
  plan_.aliases.copies[original] = {copy, mine};
  if (TRY(tree_.node(copy))) {
    read_inode(copy);
    return drop();
  }
  std::optional<Place> beside = node.live() ? TRY(any_place(original)) : TRY(tree_.last_place(original));
  if (!beside) beside = Place{resolve(row.parent), "recovered"};
  Place place{TRY(revive(beside->directory)), beside->name};
  read_slot(place);
  if (node.live() || TRY(tree_.slot(place))) place = TRY(conflict_place(place.directory, place.name, false));
  TRY(birth(copy, row));
  TRY(emit(LinkEffect{place.directory, place.name, copy}));
  TRY(emit(PutEffect{copy, mine, row.attributes.size, row.attributes.mtime, row.attributes.ctime, {}}));
  for (auto& [name, value] : TRY(tree_.xattrs(original))) TRY(emit(XattrEffect{copy, name, std::move(value)}));
  return put_xattrs(row.id, copy);
}

/// The inode is unknown: nothing to write over, but the content must not be lost.
Status PlanRun::write_stray(InodeId inode, OpId mine, const InodeRow& row) {
  const InodeId copy = make_inode_id(context_.writer, record_.lsn.value);
  if (TRY(tree_.node(copy))) return drop();
  const InodeId directory = TRY(revive(resolve(row.parent)));
  const Place place = TRY(conflict_place(directory, "recovered", false));
  plan_.aliases.inodes[inode] = copy;
  TRY(birth(copy, row));
  TRY(emit(LinkEffect{place.directory, place.name, copy}));
  return emit(PutEffect{copy, mine, row.attributes.size, row.attributes.mtime, row.attributes.ctime, {}});
}

}  // namespace skymoor::client
