#include "fuse/sync/pin/pinned_backing_store.h"

#include "fuse/journal/ancestry.h"

namespace skymoor::client {
namespace {
constexpr std::int64_t kFirstPause = 2'000'000'000, kLongestPause = 60'000'000'000;
}

class PinnedBackingStore::Judge final : public EvictionJudge {
 public:
  Judge(EvictionJudge& inner, MetadataStore& store, const PinSet& pins) : inner_(inner), store_(store), pins_(pins) {}
  bool give_up(InodeId inode) override {
    {
      MutexLock lock(store_.mutex());
      if (is_within(store_, lock, inode, [this](InodeId at) { return pins_.contains(at); })) return false;
    }
    // A pin made in between finds the file absent, and fetches it.
    return inner_.give_up(inode);
  }

 private:
  EvictionJudge& inner_;
  MetadataStore& store_;
  const PinSet& pins_;
};

Result<std::uint64_t> PinnedBackingStore::evict(EvictionJudge& judge, std::uint64_t target_bytes) {
  if (pins_.empty()) {
    pause_ns_ = look_again_ns_ = 0;
    return inner_.evict(judge, target_bytes);
  }
  const bool routine = target_bytes == UINT64_MAX;
  const std::int64_t now = clock_.monotonic().time_since_epoch().count();
  if (routine && now < look_again_ns_) return std::uint64_t{0};
  Judge asking_pins(judge, store_, pins_);
  const std::uint64_t freed = TRY(inner_.evict(asking_pins, target_bytes));
  if (!routine) return freed;
  bool stuck = freed == 0;
  if (stuck) {
    const Usage usage = inner_.usage();
    stuck = usage.clean_bytes > usage.clean_limit_bytes;
  }
  pause_ns_ = stuck ? std::clamp<std::int64_t>(2 * pause_ns_, kFirstPause, kLongestPause) : 0;
  look_again_ns_ = now + pause_ns_;
  return freed;
}

}  // namespace skymoor::client
