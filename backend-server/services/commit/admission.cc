// What a commit must be before its effects are looked at.
#include "backend-server/services/commit/steps.h"

namespace skymoor::server {
namespace {

/// Sequence of the last change of an object; a slot that was forgotten counts as changed at the floor.
Result<Sequence> last_change(const CommitContext& context, const ReadRef& ref) {
  if (ref.kind != ReadKind::kSlot) {
    const InodeRow& row = TRY(context.tree.inode(ref.inode))->row;
    return ref.kind == ReadKind::kInode ? row.checked : row.children;
  }
  const WorkingSlot& slot = *TRY(context.tree.slot({ref.inode, ref.token}));
  if (slot.before) return slot.before->sequence;
  Sequence vacated = TRY(context.tables.names.find_vacated(context.volume.number, ref.inode, ref.token));
  return std::max(vacated, context.volume.state.slot_floor);
}

const char* name_of(ReadKind kind) {
  switch (kind) {
    case ReadKind::kSlot: return "a name in directory ";
    case ReadKind::kInode: return "inode ";
    case ReadKind::kChildren: return "the entries of directory ";
  }
  return "object ";
}

}  // namespace

Status check_origin(const CommitContext& context) {
  const Commit& commit = context.commit();
  const VolumeRow& volume = context.volume;
  auto resync = [](const char* what) { return Error(Code::kResync, what); };
  if (commit.epoch != volume.epoch) return resync("the volume is in another epoch");
  if (commit.base > volume.state.head) return resync("the commit's base is ahead of the volume");
  auto hash = commit.base == volume.state.head ? Result<Hash256>(volume.state.head_hash)
                                               : context.tables.changes.hash_at(volume.number, commit.base);
  if (!hash.ok() && hash.error().code() != Code::kNotFound) return std::move(hash).error();
  if (!hash.ok() || *hash != commit.base_hash) return resync("the commit's base is not in this volume's history");
  auto writer = TRY(context.tables.volumes.find_writer(volume.number, commit.op.writer));
  if (!writer || writer->device != commit.device)
    return unprocessable("the op id's writer prefix is not leased to this device: lease a new one");
  return {};
}

Status check_reads(const CommitContext& context) {
  const Sequence base = context.commit().base;
  if (base == context.volume.state.head) return {};  // nothing can have changed
  for (const ReadRef& ref : context.commit().reads)
    if (TRY(last_change(context, ref)) > base)
      return Error(Code::kConflict, name_of(ref.kind) + std::to_string(ref.inode.value) + " changed meanwhile");
  return {};
}

Status check_blocks(const CommitContext& context) {
  constexpr std::size_t kNamed = 16;  // and no more are looked for: a commit can name a quarter of a million
  std::vector<std::string> missing;
  for (const BlockId& block : context.incoming.lost)
    if (missing.size() < kNamed) missing.push_back(block.hex());
  for (const auto& [id, inode] : context.tree.inodes()) {
    if (!inode.put) continue;
    for (const BlockId& block : inode.put->blocks) {
      if (missing.size() == kNamed) break;
      if (!TRY(context.tables.blocks.find(context.volume.number, block))) missing.push_back(block.hex());
    }
  }
  if (missing.empty()) return {};
  std::string message = "blocks are not stored, among them";
  for (const std::string& block : missing) message += " " + block;
  return Error(Code::kBlockMissing, std::move(message));
}

}  // namespace skymoor::server
