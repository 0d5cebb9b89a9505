// PlanRun: one record being planned. Private to this folder.
#pragma once
#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"

namespace skymoor::client {

/// Collects the effects of one record on a scratch overlay, so that later steps of the same plan see the earlier ones.
/// Used once, on one thread.
class PlanRun {
 public:
  PlanRun(const LogRecord& record, TreeView& tree, const Aliases& known, const PlanContext& context)
      : record_(record), tree_(tree), known_(known), context_(context) {}
  Result<Plan> run();

 private:
  // One for each intent.
  Status on(const LocalIntent&) { return {}; }
  Status on(const CreateIntent& intent);
  Status on(const LinkIntent& intent);
  Status on(const UnlinkIntent& intent);
  Status on(const RmdirIntent& intent);
  Status on(const RenameIntent& intent);
  Status on(const WriteIntent& intent);
  Status on(const AttributeIntent& intent);
  Status on(const XattrIntent& intent);

  // Parts of the rules.
  Status exchange(const RenameIntent& intent);
  Status write_over(InodeId original, InodeId inode, const TreeNode& node, OpId mine, const InodeRow& row);
  Status write_copy(InodeId original, const TreeNode& node, OpId mine, const InodeRow& row);
  Status forgo_copy(InodeId inode);
  Status write_stray(InodeId inode, OpId mine, const InodeRow& row);
  Status birth(InodeId inode, const InodeRow& row);
  /// Inode that merges with a new one of the same name; nothing when they stay apart.
  Result<bool> same_thing(const InodeRow& mine, InodeId theirs, const TreeNode& their_node);
  /// What a rename of `moving` may replace at `place`: changes it to where this device's own object went, and answers
  /// whether it may.
  Result<bool> may_replace(const RenameIntent& intent, InodeId moving, Place& place);
  Status put_attributes();
  Status put_attributes(const InodeRow& row, InodeId inode);
  Result<std::vector<InodeId>> set_on(InodeId named);
  Status put_xattrs(InodeId named, InodeId inode);
  Status stamp_directories();

  // Places.
  /// The directory, made alive at its old place if it is dead; or the one that owns the place by now.
  Result<InodeId> revive(InodeId directory, int depth = 0);
  /// A free place for `inode` asked for at `wanted`, in a live directory, under a conflict name if it must be.
  Result<Place> place_for(const Place& wanted, InodeId inode, bool directory);
  Result<Place> conflict_place(InodeId directory, const std::string& name, bool is_directory);
  /// Where `inode` is, of what the author asked for at `wanted`. `only_name`: it was the only one that he saw of it.
  Result<std::optional<Place>> find_place(InodeId inode, const Place& wanted, bool only_name);
  /// Whether the author saw one name of it.
  bool had_one_name(InodeId named, const TreeNode& node) const {
    const InodeRow* row = row_of(named);
    return node.directory() || (row && row->links == 1);
  }
  Result<bool> is_under(InodeId directory, InodeId ancestor);
  Result<std::optional<Place>> any_place(InodeId inode);

  // Effects and reads.
  Status emit(TreeEffect effect);
  void read_slot(const Place& place) { plan_.reads.push_back({ReadKind::kSlot, place.directory, place.name}); }
  void read_inode(InodeId inode) { plan_.reads.push_back({ReadKind::kInode, inode, {}}); }
  void read_children(InodeId inode) { plan_.reads.push_back({ReadKind::kChildren, inode, {}}); }
  Status drop() {
    plan_.dropped = true;
    return {};
  }

  // Lookups of aliases: this plan's first, then those known before.
  InodeId resolve(InodeId inode) const;
  const Aliases::Copy* copy_of(InodeId inode) const;
  /// The content that counts as what the author saw of `inode`.
  OpId effective_seen(InodeId inode, OpId seen) const;
  /// The author's own copy of `inode` if it still has what he saw, or what he wrote after that.
  Result<std::optional<InodeId>> own_copy(InodeId inode, OpId seen);
  /// Where the content is that took along what this record wrote into `inode` over what the author saw, before it; nothing when none
  /// did.
  std::optional<InodeId> sent_ahead(InodeId inode, OpId seen) const;
  bool own_and_later(OpId content) const {
    return content.writer == context_.writer && content.counter >= record_.lsn.value;
  }
  const InodeRow* row_of(InodeId inode) const;

  const LogRecord& record_;
  Overlay tree_;
  const Aliases& known_;
  const PlanContext& context_;
  Plan plan_;
};

}  // namespace skymoor::client
