// Rules of the tree that a commit leaves behind. A rename is an unlink and a link: only the end counts.
#include <unordered_set>

#include "backend-server/services/commit/steps.h"

namespace skymoor::server {
namespace {

bool is_directory(const WorkingInode& inode) { return inode.row.attributes.type == FileType::kDirectory; }

Status check_inode(const CommitContext& context, const WorkingInode& inode) {
  const InodeRow& row = inode.row;
  if (row.live()) return {};
  if (inode.edited && !inode.is_new && !inode.was_live)
    return context.misfit("inode " + std::to_string(row.inode.value) + " is deleted");
  // A directory that was dead before and got no entries is as empty as it was.
  bool went = inode.was_live || inode.is_new || inode.children_changed;
  if (is_directory(inode) && went && !TRY(context.tree.is_empty(inode)))
    return context.misfit(inode.was_live
                              ? "directory " + std::to_string(row.inode.value) + " is removed but not empty"
                              : "a link goes into directory " + std::to_string(row.inode.value) + ", which is deleted");
  return {};
}

/// Directories that are known to lead upwards without a loop, by what their walk had to reach.
struct Verified {
  std::unordered_set<InodeId> to_root, to_old;
};

/// Follows the parents of a directory that was linked in this commit. A moved one must reach the root. A new one has only
/// new directories below it, so that a first old ancestor ends the walk: if that was moved, it has a walk of its own.
Status check_ancestors(const CommitContext& context, const WorkingInode& linked, Verified& verified) {
  auto& known = linked.is_new ? verified.to_old : verified.to_root;
  std::unordered_set<InodeId> seen{linked.row.inode};
  const WorkingInode* at = &linked;
  while (at->row.inode != kRootInode && (at->is_new || !linked.is_new) && !known.contains(at->row.inode)) {
    InodeId parent = at->row.parent;
    if (!seen.insert(parent).second)
      return context.misfit("directory " + std::to_string(linked.row.inode.value) + " would be inside itself");
    at = TRY(context.tree.inode(parent));
    if (!at->exists) return Error(Code::kCorrupt, "directory " + std::to_string(parent.value) + " is not in the volume");
  }
  known.merge(seen);
  return {};
}

}  // namespace

Status check_result(const CommitContext& context) {
  // Pointers: walking to the root may load more inodes.
  std::vector<const WorkingInode*> changed;
  for (const auto& [id, inode] : context.tree.inodes())
    if (inode.exists && inode.changed()) changed.push_back(&inode);
  for (const WorkingInode* inode : changed) TRY(check_inode(context, *inode));
  Verified verified;
  for (const WorkingInode* inode : changed)
    if (is_directory(*inode) && inode->relinked && inode->row.live()) TRY(check_ancestors(context, *inode, verified));
  return {};
}

}  // namespace skymoor::server
