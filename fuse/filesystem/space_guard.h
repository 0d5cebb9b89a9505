// SpaceGuard: says no to what would not fit, before anything is done.
#pragma once
#include <atomic>

#include "fuse/filesystem/filesystem.h"

namespace skymoor::client {

/// What of the server's room is spoken for: changed bytes that have not been sent, without the holes among them. Most often no
/// more than is on the disk anyway; a sparse file of terabytes takes what its data takes.
inline std::uint64_t unsent_bytes(const MetadataStore::Pending& pending, const BackingStore::Usage& usage) {
  return std::min(pending.bytes, usage.dirty_bytes);
}

/// Compares the state disk's free space and the server's quota with what is to be written. The figures are looked up at
/// most every 100 ms or after 16 MiB, and reckoned down in between. Thread-safe: the hot path is two atomics. Never
/// called under the metadata store's mutex (it may evict).
class SpaceGuard {
 public:
  struct Seams {
    MetadataStore& store;
    BackingStore& backing;
    Fetcher& fetcher;
    Clock& clock;
    EvictionJudge& judge;
    std::function<void()> reap;   ///< frees what was removed and still lies on the disk
  };
  SpaceGuard(Seams seams, std::uint64_t reserve_bytes) : seams_(seams), reserve_bytes_(reserve_bytes) {}

  /// Asks for room for `bytes` more (a record's worth is added). Errors: NoSpace, QuotaExceeded.
  Status ask(std::uint64_t bytes);
  /// Whether the server's quota has room for so much more, as of the last 100 ms. What the kernel writes by itself cannot be asked
  /// about later.
  bool quota_leaves(std::uint64_t bytes);
  /// The next `ask` looks anew.
  void forget() { looked_at_.store(INT64_MIN, std::memory_order_relaxed); }

 private:
  Status look(std::uint64_t bytes);
  /// What the server has room for beside what waits to be sent, if that is to be at least `bytes`; nothing: no quota.
  std::optional<std::uint64_t> quota_left(std::uint64_t bytes);

  const Seams seams_;
  const std::uint64_t reserve_bytes_;
  std::atomic<std::int64_t> looked_at_{INT64_MIN};
  std::atomic<std::int64_t> quota_looked_at_{INT64_MIN};
  std::atomic<std::uint64_t> quota_left_{UINT64_MAX};
  std::atomic<std::int64_t> left_{0};   // bytes that may still be taken before the figures are looked up again
};

}  // namespace skymoor::client
