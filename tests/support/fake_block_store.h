// FakeBlockStore: a BlockStore in memory for tests of the rooms above. Passes the same contract suite as the real ones.
#pragma once
#include <map>

#include "backend-server/block_store/block_store.h"
#include "shared/base/mutex.h"
#include "shared/block/pack.h"
#include "shared/block/seal.h"

namespace skymoor::server {

/// Thread-safe. `fail_puts` makes every put fail until it is called with none; `damage` makes one block unreadable.
class FakeBlockStore final : public BlockStore {
 public:
  Status put(const VolumeId& volume, std::span<const NewBlock> blocks) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    if (put_error_) return Error(*put_error_, "injected");
    for (const NewBlock& b : blocks) {
      if (b.sealed.empty() || b.sealed.size() > block::kMaxBlockBytes)
        return Error(Code::kInvalidArgument, "block size out of range");
      if (!b.hash_checked && !block::block_id_matches(b.id, b.sealed))
        return Error(Code::kUnprocessable, "block id is not the SHA-256 of its bytes");
    }
    for (const NewBlock& b : blocks) {
      Kept& kept = blocks_[{volume, b.id}];
      kept = {to_bytes(b.sealed), false};
    }
    ++syncs_;
    return {};
  }

  Status read(const VolumeId& volume, const BlockId& id, const Placing& place) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    auto it = blocks_.find({volume, id});
    if (it == blocks_.end()) return Error(Code::kNotFound, "no such block");
    if (it->second.damaged) return Error(Code::kCorrupt, "block is damaged");
    const Places places = place(static_cast<std::uint32_t>(it->second.bytes.size()));
    if (places.empty()) return Error(Code::kTooLarge, "no room for the block");
    auto from = it->second.bytes.begin();
    for (std::span<std::uint8_t> part : places) {
      std::copy_n(from, part.size(), part.begin());
      from += static_cast<std::ptrdiff_t>(part.size());
    }
    return {};
  }

  Result<std::vector<bool>> contains(const VolumeId& volume, std::span<const BlockId> ids) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    std::vector<bool> there(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      auto it = blocks_.find({volume, ids[i]});
      there[i] = it != blocks_.end() && !it->second.damaged;
    }
    return there;
  }

  Result<std::size_t> remove(const VolumeId& volume, std::span<const BlockId> ids) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    std::size_t removed = 0;
    for (const BlockId& id : ids) removed += blocks_.erase({volume, id});
    return removed;
  }

  Result<BlockPage> list(const ListRequest& request) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    BlockPage page;
    auto it = request.after ? blocks_.upper_bound(*request.after) : blocks_.begin();
    for (; it != blocks_.end(); ++it) {
      if (request.volume && it->first.volume != *request.volume) continue;
      if (page.blocks.size() == request.limit) {
        page.more = true;
        break;
      }
      page.blocks.push_back({it->first, static_cast<std::uint32_t>(it->second.bytes.size()), it->second.damaged});
    }
    return page;
  }

  BlockStoreStats stats() override {
    MutexLock lock(mutex_);
    BlockStoreStats s;
    for (const auto& [name, kept] : blocks_) {
      ++s.blocks;
      s.block_bytes += kept.bytes.size();
      s.damaged += kept.damaged;
    }
    s.disk_bytes = s.block_bytes;
    s.syncs = syncs_;
    return s;
  }

  Result<ScrubReport> scrub(const ScrubRequest& request) override {
    MutexLock lock(mutex_);
    if (closed_) return gone();
    ScrubReport report;
    auto it = request.after ? blocks_.upper_bound(*request.after) : blocks_.begin();
    for (; it != blocks_.end() && (report.blocks == 0 || report.bytes < request.max_bytes); ++it) {
      ++report.blocks;
      report.bytes += it->second.bytes.size();
      it->second.damaged |= !block::block_id_matches(it->first.block, it->second.bytes);
      if (it->second.damaged) report.damaged.push_back(it->first);
    }
    if (it != blocks_.end()) report.next = std::prev(it)->first;
    return report;
  }

  Result<bool> maintain() override { return false; }

  Status close() override {
    MutexLock lock(mutex_);
    closed_ = true;
    return {};
  }

  void fail_puts(std::optional<Code> code) {
    MutexLock lock(mutex_);
    put_error_ = code;
  }
  void damage(const BlockName& name) {
    MutexLock lock(mutex_);
    if (auto it = blocks_.find(name); it != blocks_.end()) it->second.damaged = true;
  }

 private:
  struct Kept {
    Bytes bytes;
    bool damaged = false;
  };
  static Error gone() { return Error(Code::kUnavailable, "the block store is closed"); }

  Mutex mutex_{65000, "fake_block_store"};
  std::map<BlockName, Kept> blocks_;
  std::optional<Code> put_error_;
  std::uint64_t syncs_ = 0;
  bool closed_ = false;
};

}  // namespace skymoor::server
