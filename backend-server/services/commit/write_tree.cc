// Writes the working tree back: rows that changed, content versions, references, trash, usage.
#include <algorithm>

#include "backend-server/services/commit/steps.h"
#include "shared/model/xattr_limits.h"

namespace skymoor::server {
namespace {

constexpr std::uint64_t kMaxContentBytes = 1ull << 62;  // sizes are what devices say: the sum must stay a number

Status write_content(const CommitContext& context, WorkingInode& inode, VolumeState& state) {
  const PutContent& put = *inode.put;
  VersionRow version;
  version.inode = put.inode;
  version.sequence = context.next();
  version.content = put.content;
  version.size = put.size;
  version.mtime = put.mtime;
  version.sealed_manifest = put.sealed_manifest;
  version.stored = context.incoming.now;
  for (const BlockId& block : put.blocks) {
    append(version.block_ids, block.view());
    TRY(context.tables.blocks.add_reference(context.volume.number, block));
  }
  inode.row.content_version = version.sequence;
  inode.row.content = put.content;
  inode.row.manifest_bytes = put.sealed_manifest.size();
  state.manifest_bytes += put.sealed_manifest.size();
  return context.tables.names.insert_version(context.volume.number, version);
}

Status write_xattrs(const CommitContext& context, WorkingInode& inode) {
  NamespaceTable& names = context.tables.names;
  for (const auto& [token, xattr] : inode.xattrs) {
    bool had = inode.row.xattrs > 0 && TRY(names.has_xattr(context.volume.number, inode.row.inode, token));
    bool has = !xattr->sealed.empty();
    if (!had && !has) continue;
    TRY(names.put_xattr(context.volume.number, *xattr, context.next()));
    inode.row.xattrs += static_cast<std::uint32_t>(has) - static_cast<std::uint32_t>(had);
  }
  if (inode.row.xattrs > kMaxStoredXattrs) return unprocessable("too many extended attributes of one inode");
  if (!inode.xattrs.empty() && TRY(names.xattrs_bytes(context.volume.number, inode.row.inode)) > kMaxStoredXattrsBytes)
    return unprocessable("one inode's extended attributes are too large together");
  return {};
}

/// An inode without links stays where it is, with its versions, and its last place is written down.
Status write_trash(const CommitContext& context, const WorkingInode& inode) {
  NamespaceTable& names = context.tables.names;
  bool live = inode.row.live();
  if (live && !inode.was_live && !inode.is_new) return names.remove_trash(context.volume.number, inode.row.inode);
  if (live || !inode.last_place) return {};
  const auto& place = *inode.last_place;
  return names.put_trash(context.volume.number, {inode.row.inode, place.slot.directory, place.slot.token,
                                                 place.sealed_name, context.next(), context.incoming.now});
}

Status write_inode(const CommitContext& context, WorkingInode& inode, VolumeState& state) {
  InodeRow& row = inode.row;
  const Sequence next = context.next();
  if (inode.put) TRY(write_content(context, inode, state));
  TRY(write_xattrs(context, inode));
  if (inode.relinked) TRY(write_trash(context, inode));
  if (inode.is_new || inode.relinked || inode.put) row.checked = next;
  if (inode.children_changed) row.children = next;
  row.touched = next;
  state.inodes += static_cast<std::uint64_t>(row.live()) - static_cast<std::uint64_t>(inode.was_live);
  state.content_bytes += (row.live() ? row.attributes.size : 0) - inode.counted_bytes;
  return inode.is_new ? context.tables.names.insert_inode(context.volume.number, row)
                      : context.tables.names.update_inode(context.volume.number, row);
}

Status write_slot(const CommitContext& context, const SlotKey& key, const WorkingSlot& slot) {
  NamespaceTable& names = context.tables.names;
  if (slot.before) TRY(names.remove_slot(context.volume.number, key.directory, key.token, context.next()));
  if (slot.now) TRY(names.insert_slot(context.volume.number, key.directory, key.token, *slot.now));
  return {};
}

}  // namespace

Result<VolumeState> write_tree(const CommitContext& context) {
  VolumeState state = context.volume.state;
  // In order of id: new inodes have neighbouring ids, and so fill neighbouring places.
  std::vector<WorkingInode*> inodes;
  for (auto& [id, inode] : context.tree.inodes())
    if (inode.exists && inode.changed()) inodes.push_back(&inode);
  std::sort(inodes.begin(), inodes.end(), [](auto* a, auto* b) { return a->row.inode < b->row.inode; });
  for (WorkingInode* inode : inodes) TRY(write_inode(context, *inode, state));
  for (const auto& [key, slot] : context.tree.slots())
    if (slot.changed) TRY(write_slot(context, key, slot));
  if (state.content_bytes > kMaxContentBytes) return unprocessable("the sizes of the files add up to too much");
  const VolumeRow& volume = context.volume;
  bool grew = state.manifest_bytes > volume.state.manifest_bytes;
  if (grew && volume.quota_bytes > 0 && volume.stored_bytes + state.manifest_bytes > volume.quota_bytes)
    return Error(Code::kQuotaExceeded, "the volume's quota is used up");
  return state;
}

}  // namespace skymoor::server
