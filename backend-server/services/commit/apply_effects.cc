// One function per effect: what it needs of the tree so far, and what it makes of it.
#include "backend-server/services/commit/steps.h"

namespace skymoor::server {
namespace {

std::string name_of(InodeId id) { return "inode " + std::to_string(id.value); }

/// Prefixes that were given out. What is given back after the server was put back from a backup may carry one that was
/// given out after the backup was made.
Result<bool> is_leased(const CommitContext& context, WriterId writer) {
  if (writer.value == 0) return false;
  if (writer == context.commit().op.writer || context.commit().restored) return true;
  return TRY(context.tables.volumes.find_writer(context.volume.number, writer)).has_value();
}

Result<WorkingInode*> existing(const CommitContext& context, InodeId id) {
  WorkingInode* inode = TRY(context.tree.inode(id));
  if (!inode->exists) return context.misfit(name_of(id) + " does not exist");
  return inode;
}

Status apply(const CommitContext& context, const NewInode& e) {
  if (!TRY(is_leased(context, writer_of(e.inode))) || e.inode == make_inode_id(writer_of(e.inode), 0))
    return unprocessable(name_of(e.inode) + " has no leased prefix");
  if ((e.attributes.type == FileType::kSymlink) == e.sealed_target.empty())
    return unprocessable("a symlink has a target, and nothing else has");
  WorkingInode* inode = TRY(context.tree.inode(e.inode));
  if (inode->exists) return context.misfit(name_of(e.inode) + " exists already");
  inode->exists = inode->is_new = true;
  inode->row.attributes = e.attributes;
  // The size of a file comes with its content, so that no size is counted without one.
  if (e.attributes.type != FileType::kSymlink) inode->row.attributes.size = 0;
  if (inode->row.attributes.size > kMaxTargetBytes) return unprocessable("a symlink's target is too long");
  inode->row.sealed_target = e.sealed_target;
  return {};
}

Status apply(const CommitContext& context, const LinkName& e) {
  if (e.sealed_name.empty()) return unprocessable("a link has a name");
  WorkingInode* directory = TRY(existing(context, e.directory));
  if (directory->row.attributes.type != FileType::kDirectory)
    return unprocessable(name_of(e.directory) + " is not a directory");
  WorkingInode* inode = TRY(existing(context, e.inode));
  WorkingSlot* slot = TRY(context.tree.slot({e.directory, e.token}));
  if (slot->now) return context.misfit("a name in directory " + std::to_string(e.directory.value) + " is taken");
  if (inode->row.attributes.type == FileType::kDirectory) {
    if (inode->row.live()) return context.misfit("directory " + std::to_string(e.inode.value) + " has its link already");
    inode->row.parent = e.directory;
  }
  if (inode->row.links >= kMaxLinks) return context.misfit(name_of(e.inode) + " has too many links");
  slot->now = SlotRow{e.sealed_name, e.inode, context.next()};
  slot->changed = true;
  ++inode->row.links;
  inode->relinked = true;
  directory->children_changed = true;
  if (slot->before) --directory->entries_vacated;
  else ++directory->entries_added;
  return {};
}

Status apply(const CommitContext& context, const UnlinkName& e) {
  WorkingSlot* slot = TRY(context.tree.slot({e.directory, e.token}));
  if (!slot->now || slot->now->inode != e.inode)
    return context.misfit("a name in directory " + std::to_string(e.directory.value) + " does not hold " +
                          name_of(e.inode));
  WorkingInode* inode = TRY(existing(context, e.inode));
  WorkingInode* directory = TRY(existing(context, e.directory));
  inode->last_place = {{e.directory, e.token}, std::move(slot->now->sealed_name)};
  slot->now.reset();
  slot->changed = true;
  --inode->row.links;
  inode->relinked = true;
  directory->children_changed = true;
  if (slot->before) ++directory->entries_vacated;
  else --directory->entries_added;
  return {};
}

Status apply(const CommitContext& context, const PutContent& e) {
  WorkingInode* inode = TRY(existing(context, e.inode));
  if (inode->row.attributes.type != FileType::kFile) return unprocessable(name_of(e.inode) + " is not a file");
  if (!TRY(is_leased(context, e.content.writer))) return unprocessable("the content's id has no leased prefix");
  if (e.sealed_manifest.empty()) return unprocessable("content without a manifest");
  inode->put = &e;
  inode->edited = true;
  Attributes& attributes = inode->row.attributes;
  attributes.size = e.size;
  attributes.mtime = e.mtime;
  attributes.ctime = e.ctime;
  return {};
}

Status apply(const CommitContext& context, const SetAttributes& e) {
  WorkingInode* inode = TRY(existing(context, e.inode));
  Attributes& attributes = inode->row.attributes;
  if (e.fields & kFieldMode) attributes.mode = e.values.mode;
  if (e.fields & kFieldUid) attributes.uid = e.values.uid;
  if (e.fields & kFieldGid) attributes.gid = e.values.gid;
  if (e.fields & kFieldAtime) attributes.atime = e.values.atime;
  if (e.fields & kFieldMtime) attributes.mtime = e.values.mtime;
  if (e.fields & kFieldCtime) attributes.ctime = e.values.ctime;
  inode->edited = true;
  return {};
}

Status apply(const CommitContext& context, const SetXattr& e) {
  WorkingInode* inode = TRY(existing(context, e.inode));
  inode->xattrs[e.token] = &e;
  inode->edited = true;
  return {};
}

}  // namespace

Status apply_effects(const CommitContext& context) {
  for (const Effect& effect : context.commit().effects)
    TRY(std::visit([&](const auto& e) { return apply(context, e); }, effect));
  return {};
}

}  // namespace skymoor::server
