#include "backend-server/services/blocks.h"

#include <algorithm>
#include <limits>
#include <map>

#include "backend-server/block_store/partial_blocks.h"
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "shared/block/seal.h"

namespace skymoor::server {
namespace {

using protocol::BlockState;
using protocol::BlockStatus;

/// Which of `ids` the volume holds, each flag beside its id.
Result<std::vector<bool>> registered(const BlockTable& blocks, VolumeNumber volume, const std::vector<BlockId>& ids) {
  std::vector<bool> flags(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) flags[i] = TRY(blocks.find(volume, ids[i])).has_value();
  return flags;
}

BlockStatus partial_status(PartialBlocks& partial, const VolumeId& volume, const BlockId& id) {
  BlockStatus status{id, BlockState::kMissing, {}};
  if (auto missing = partial.missing_segments(volume, id)) {
    status.state = BlockState::kPartial;
    for (std::uint32_t index : *missing) status.missing_segments.push_back(static_cast<std::uint16_t>(index));
  }
  return status;
}

Error over_quota() { return Error(Code::kQuotaExceeded, "the volume's quota is used up"); }

}  // namespace

/// One block of a pack on its way in.
struct BlockService::UploadedBlock {
  BlockId id;
  bool registered = false; ///< the volume's database has it: it costs no quota
  bool present = false;    ///< and the disks, too
  bool complete = false;   ///< `bytes` is the whole block, its hash checked
  ByteView bytes;          ///< in the pack, or in `assembled`
  Bytes assembled;
  std::vector<const block::Segment*> segments;  ///< intact ones
};

/// One pack on its way in.
struct BlockService::Upload {
  VolumeId volume;
  block::ParsedPack pack;
  std::vector<UploadedBlock> blocks;  ///< in order of first mention
  bool mismatch = false;
  BlockId mismatched;

  void refuse(const BlockId& id) {
    mismatch = true;
    mismatched = id;
  }
  void group() {
    std::map<BlockId, std::size_t> at;
    for (const block::Segment& segment : pack.segments) {
      auto [found, is_new] = at.emplace(segment.block, blocks.size());
      if (is_new) blocks.push_back({segment.block});
      if (segment.intact) blocks[found->second].segments.push_back(&segment);
    }
  }
  /// What the blocks that are whole and new add to the volume.
  std::uint64_t new_bytes() const {
    std::uint64_t sum = 0;
    for (const UploadedBlock& b : blocks)
      if (b.complete && !b.registered) sum += b.bytes.size();
    return sum;
  }
  std::vector<BlockId> ids() const {
    std::vector<BlockId> all;
    for (const UploadedBlock& b : blocks) all.push_back(b.id);
    return all;
  }
};

Result<std::vector<BlockStatus>> BlockService::missing(const Caller& caller, const VolumeId& volume,
                                                       const std::vector<BlockId>& ids) {
  if (ids.size() > kMaxMissingIds) return Error(Code::kTooLarge, "too many block ids at once");
  auto known = read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<bool>> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    return registered(tables.blocks, access.volume.number, ids);
  });
  if (!known.ok()) return std::move(known).error();
  // What the database knows but the disks have lost is asked for again: the upload repairs it.
  auto stored = TRY(blocks_.contains(volume, ids));
  std::vector<BlockStatus> states;
  for (std::size_t i = 0; i < ids.size(); ++i)
    states.push_back((*known)[i] && stored[i] ? BlockStatus{ids[i], BlockState::kStored, {}}
                                              : partial_status(partial_, volume, ids[i]));
  return states;
}

Result<std::vector<BlockStatus>> BlockService::upload_pack(const Caller& caller, const VolumeId& volume,
                                                           ByteView pack) {
  if (pack.size() > block::kMaxPackBytes) return Error(Code::kTooLarge, "the pack is larger than 8.5 MiB");
  Upload upload{volume, TRY(block::parse_pack(pack))};
  upload.group();
  const auto ids = upload.ids();
  std::uint64_t room = std::numeric_limits<std::uint64_t>::max();   // of the quota, before this upload
  auto known = read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<bool>> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kWriter));
    const VolumeRow& row = access.volume;
    auto flags = TRY(registered(tables.blocks, row.number, ids));
    if (row.quota_bytes > 0) room = row.quota_bytes - std::min(row.quota_bytes, row.used_bytes());
    if (room == 0 && std::find(flags.begin(), flags.end(), false) != flags.end()) return over_quota();
    return flags;
  });
  if (!known.ok()) return std::move(known).error();
  auto stored = TRY(blocks_.contains(volume, ids));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    upload.blocks[i].registered = (*known)[i];
    upload.blocks[i].present = (*known)[i] && stored[i];
  }
  TRY(take_segments(upload));
  if (upload.new_bytes() > room) return over_quota();
  TRY(store_complete(upload));
  TRY(register_stored(caller, upload));
  if (upload.mismatch)
    return Error(Code::kUnprocessable, "the bytes of block " + upload.mismatched.hex() + " are not the block");
  std::vector<BlockStatus> states;
  for (const UploadedBlock& b : upload.blocks)
    states.push_back(b.present || b.complete ? BlockStatus{b.id, BlockState::kStored, {}}
                                             : partial_status(partial_, volume, b.id));
  return states;
}

/// Puts a block together from the pack alone, its hash unchecked. False: not all of it is there.
Result<bool> BlockService::assemble(UploadedBlock& b) {
  if (b.segments.empty()) return false;
  const std::uint32_t size = b.segments.front()->block_bytes;
  if (size == 0 || size > block::kMaxBlockBytes)
    return Error(Code::kInvalidArgument, "a block has 1 byte to 4 MiB and a little");
  if (b.segments.size() != block::segment_count(size)) return false;
  for (std::size_t i = 0; i < b.segments.size(); ++i)
    if (b.segments[i]->block_bytes != size || b.segments[i]->index != i) return false;
  b.bytes = b.segments.front()->bytes;
  if (b.segments.size() == 1) return true;  // most blocks of small files: no copy
  b.assembled.reserve(size);
  for (const block::Segment* segment : b.segments) append(b.assembled, segment->bytes);
  b.bytes = b.assembled;
  return true;
}

/// Completes blocks from the pack alone where it can, else with what was staged before.
Status BlockService::take_segments(Upload& upload) const {
  std::vector<UploadedBlock*> whole;
  std::vector<block::NamedBlock> claims;
  for (UploadedBlock& b : upload.blocks) {
    if (b.present) continue;
    if (!TRY(assemble(b))) {
      TRY(stage_segments(upload, b));
      continue;
    }
    whole.push_back(&b);
    claims.push_back({b.id, b.bytes});
  }
  const std::vector<bool> right = block::block_ids_match(claims);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    whole[i]->complete = right[i];
    if (!right[i]) upload.refuse(whole[i]->id);
  }
  return {};
}

Status BlockService::stage_segments(Upload& upload, UploadedBlock& b) const {
  for (const block::Segment* segment : b.segments) {
    PartialBlocks::Added added = TRY(partial_.add(upload.volume, *segment));
    if (added.outcome == PartialBlocks::Outcome::kMismatch) upload.refuse(b.id);
    if (added.outcome != PartialBlocks::Outcome::kComplete) continue;
    b.assembled = std::move(added.bytes);
    b.bytes = b.assembled;
    b.complete = true;
    break;
  }
  return {};
}

Status BlockService::store_complete(Upload& upload) const {
  std::vector<NewBlock> blocks;
  for (const UploadedBlock& b : upload.blocks)
    if (b.complete) blocks.push_back({b.id, b.bytes, true});
  if (blocks.empty()) return {};
  return blocks_.put(upload.volume, blocks);
}

/// Enters what was stored into the volume. The quota is decided here, where uploads come one after the other; a block that
/// it refuses here though there was room for it before (uploads that race) stays in the block store without an owner until
/// garbage collection.
Status BlockService::register_stored(const Caller& caller, Upload& upload) const {
  if (std::none_of(upload.blocks.begin(), upload.blocks.end(), [](const auto& b) { return b.complete; })) return {};
  return store_.update([&](Tables& tables) -> Status {
    auto access = TRY(require_role(tables.volumes, caller, upload.volume, protocol::Role::kWriter));
    const VolumeRow& row = access.volume;
    std::uint64_t added = 0;
    for (const UploadedBlock& b : upload.blocks) {
      if (!b.complete) continue;
      BlockRow block{b.id, static_cast<std::uint32_t>(b.bytes.size()), 0, clock_.now()};
      if (TRY(tables.blocks.insert(row.number, block))) added += b.bytes.size();
    }
    if (row.quota_bytes > 0 && row.used_bytes() + added > row.quota_bytes) return over_quota();
    return added == 0 ? Status() : tables.volumes.add_stored_bytes(row.number, static_cast<std::int64_t>(added));
  });
}

Result<Buffer> BlockService::fetch(const Caller& caller, const VolumeId& volume, const std::vector<BlockId>& ids) {
  if (ids.size() > kMaxFetchIds) return Error(Code::kTooLarge, "too many block ids at once");
  auto sizes = read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<std::uint32_t>> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    std::vector<std::uint32_t> bytes(ids.size());   // 0: the volume has no such block
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (const auto row = TRY(tables.blocks.find(access.volume.number, ids[i]))) bytes[i] = row->stored_bytes;
    return bytes;
  });
  if (!sizes.ok()) return std::move(sizes).error();
  // As many as fit, from the first on.
  std::size_t expected = block::PackFiller::kFrameBytes, count = 0;
  for (; count < ids.size(); ++count) {
    const std::size_t space = (*sizes)[count] > 0 ? block::PackFiller::space_for((*sizes)[count]) : 0;
    if (expected > block::PackFiller::kFrameBytes && expected + space > options_.max_fetch_bytes) break;
    expected += space;
  }
  Buffer memory(expected);
  block::PackFiller pack(memory.writable());
  for (std::size_t i = 0; i < count; ++i) {
    if ((*sizes)[i] == 0) continue;
    Status read = blocks_.read(volume, ids[i], [&](std::uint32_t bytes) { return pack.place(bytes); });
    if (read.ok()) pack.keep(ids[i]);
    // A later block that cannot be read is left out: asked for again, it comes first and tells why.
    else if (pack.segments() == 0) return std::move(read).error();
  }
  memory.shrink(pack.size());
  return memory;
}

Result<Bytes> BlockService::get(const Caller& caller, const VolumeId& volume, const BlockId& block) {
  auto known = read_from(store_, [&](const ReadTables& tables) -> Result<bool> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    return TRY(tables.blocks.find(access.volume.number, block)).has_value();
  });
  if (!known.ok()) return std::move(known).error();
  if (!*known) return Error(Code::kNotFound, "no such block");
  return blocks_.get(volume, block);
}

}  // namespace skymoor::server
