#include "backend-server/block_store/local/segment_block_store.h"

#include <unordered_set>

#include "shared/base/log.h"
#include "shared/block/seal.h"

namespace skymoor::server {
namespace {

/// A large put is written in parts, each with its sync, so that memory stays bounded.
constexpr std::size_t kPartBytes = 16 * 1024 * 1024;

constexpr LockRank kLifeRank = 39990;

Status check_block(const NewBlock& b) {
  if (b.sealed.empty() || b.sealed.size() > block::kMaxBlockBytes)
    return Error(Code::kInvalidArgument, "block size out of range");
  if (!b.hash_checked && !block::block_id_matches(b.id, b.sealed))
    return Error(Code::kUnprocessable, "block id is not the SHA-256 of its bytes");
  return {};
}

}  // namespace

SegmentBlockStore::SegmentBlockStore(Disk& disk, Random& random, Options options, UniqueFd directory_lock)
    : disk_(disk),
      options_(std::move(options)),
      directory_lock_(std::move(directory_lock)),
      open_segments_(disk, options_.directory, options_.open_files),
      writer_(disk, random, catalogue_, {options_.directory, options_.segment_bytes, options_.reserve_bytes}),
      queue_([this](std::span<CommitRequest* const> requests) { writer_.commit(requests); }),
      life_mutex_(kLifeRank, "block_store.life") {}

SegmentBlockStore::~SegmentBlockStore() {
  if (Status closed = close(); !closed.ok()) log_warn("block_store.close_failed", {{"error", closed.error()}});
}

Status SegmentBlockStore::check_open() const {
  if (closed_) return Error(Code::kUnavailable, "the block store is closed");
  return {};
}

Status SegmentBlockStore::put(const VolumeId& volume, std::span<const NewBlock> blocks) {
  TRY(check_open());
  for (const NewBlock& b : blocks) TRY(check_block(b));
  std::vector<BlockId> ids;
  ids.reserve(blocks.size());
  for (const NewBlock& b : blocks) ids.push_back(b.id);
  // The catalogue holds only what is durable: what is there needs no sync of ours.
  const std::vector<bool> there = catalogue_.contains(volume, ids);
  std::unordered_set<BlockId> seen;
  for (std::size_t i = 0; i < blocks.size();) {
    CommitRequest part(CommitRequest::Kind::kPut);
    std::size_t room = 0;
    for (std::size_t j = i; j < blocks.size() && room < kPartBytes; ++j)
      if (!there[j]) room += segment::record_bytes(static_cast<std::uint32_t>(blocks[j].sealed.size()));
    part.encoded.reserve(room);
    for (; i < blocks.size() && part.encoded.size() < kPartBytes; ++i)
      if (!there[i] && seen.insert(blocks[i].id).second) part.add_block({volume, blocks[i].id}, blocks[i].sealed);
    if (!part.records.empty()) TRY(queue_.submit(part));
  }
  return {};
}

Result<std::vector<bool>> SegmentBlockStore::contains(const VolumeId& volume, std::span<const BlockId> ids) {
  TRY(check_open());
  return catalogue_.contains(volume, ids);
}

Result<std::size_t> SegmentBlockStore::remove(const VolumeId& volume, std::span<const BlockId> ids) {
  TRY(check_open());
  std::size_t removed = 0;
  for (std::size_t i = 0; i < ids.size();) {
    CommitRequest part(CommitRequest::Kind::kRemove);
    for (; i < ids.size() && part.encoded.size() < kPartBytes; ++i)
      if (catalogue_.find({volume, ids[i]})) part.add_tombstone({volume, ids[i]});
    if (!part.records.empty()) TRY(queue_.submit(part));
    removed += part.removed;
  }
  return removed;
}

Result<BlockPage> SegmentBlockStore::list(const ListRequest& request) {
  TRY(check_open());
  return catalogue_.list(request);
}

BlockStoreStats SegmentBlockStore::stats() {
  BlockStoreStats stats = catalogue_.stats();
  stats.syncs = writer_.syncs();
  return stats;
}

bool SegmentBlockStore::begin_maintenance() {
  MutexLock lock(life_mutex_);
  if (maintaining_ || closed_) return false;
  return maintaining_ = true;
}

void SegmentBlockStore::end_maintenance() {
  MutexLock lock(life_mutex_);
  maintaining_ = false;
  life_changed_.notify_all();
}

Status SegmentBlockStore::close() {
  if (closed_.exchange(true)) return {};
  queue_.close();  // a compaction under way fails at its next step
  {
    MutexLock lock(life_mutex_);
    while (maintaining_) life_changed_.wait(lock);
  }
  // What was found damaged must not be taken for whole after the next opening, which reads hints and not the blocks.
  if (Status noted = remember_damage(); !noted.ok()) log_warn("block_store.damage_not_noted", {{"error", noted.error()}});
  Status hinted = writer_.checkpoint();
  directory_lock_.reset();
  return hinted;
}

}  // namespace skymoor::server
