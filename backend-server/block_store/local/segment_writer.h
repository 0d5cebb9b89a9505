// SegmentWriter: appends to the active segment, syncs, closes it when full. Private to this room.
#pragma once
#include <atomic>
#include <memory>

#include "backend-server/block_store/local/catalogue.h"
#include "backend-server/block_store/local/commit_queue.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"

namespace skymoor::server {

/// Writes what the commit queue's leader hands it. Used by one thread at a time (the leader; the opener before, the
/// closer after): no lock. The active segment is in one of these states:
///   none --create--> open --full--> sealed (hint written, never touched again)
///                    open --failed sync--> abandoned: cut back to what was synced, closed by its hint, or deleted when
///                                          that is nothing
/// A failed sync fails every request that was written since the last good one, for good: the kernel may have dropped
/// the pages, so that a second sync would prove nothing. The next request gets a new segment.
class SegmentWriter {
 public:
  struct Options {
    std::string directory;
    std::uint64_t segment_bytes = 0;
    std::uint64_t reserve_bytes = 0;  ///< kept free by puts for tombstones, compaction and hints
  };
  SegmentWriter(Disk& disk, Random& random, Catalogue& catalogue, Options options);

  /// Writes, syncs, enters into the catalogue what is durable, and sets each request's result.
  void commit(std::span<CommitRequest* const> requests);

  /// Goes on with the last segment of the run before.
  void resume(std::uint32_t number, std::uint32_t salt, std::unique_ptr<File> file, std::uint64_t end,
              std::vector<segment::Entry> entries);
  void set_next_number(std::uint32_t number) { next_number_ = number; }
  /// A record of the active segment was found damaged: its hint will say so. False: it is of another segment. Nobody may
  /// commit at the same time.
  bool note_damaged(std::uint32_t segment, std::uint32_t offset);
  /// Writes a hint for the active segment, so that the next opening need not read it.
  Status checkpoint();
  std::uint64_t syncs() const { return syncs_; }

 private:
  struct Active {
    std::uint32_t number = 0;
    std::uint32_t salt = 0;
    std::unique_ptr<File> file;
    std::uint64_t end = 0;         ///< of what is written
    std::uint64_t durable_end = 0; ///< of what is synced
    std::vector<segment::Entry> entries;  ///< durable ones
  };
  struct Pending {
    CommitRequest* request;
    std::vector<segment::Entry> entries;
  };

  void write(std::span<CommitRequest* const> requests);
  Status append(CommitRequest& request);
  Status make_room(const CommitRequest& request);
  Status create_segment();
  Pending place(CommitRequest& request);
  void settle();
  void cut_back();
  void seal();
  void abandon(const Error& why);
  void drop_outdated(CommitRequest& move) const;

  Disk& disk_;
  Random& random_;
  Catalogue& catalogue_;
  const Options options_;
  std::uint32_t next_number_ = 1;
  std::optional<Active> active_;
  std::vector<Pending> pending_;  ///< written, not synced
  std::atomic<std::uint64_t> syncs_ = 0;
};

}  // namespace skymoor::server
