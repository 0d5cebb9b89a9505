// CommitQueue: lets concurrent writers share one write-and-sync. Private to this room.
#pragma once
#include <deque>
#include <functional>

#include "backend-server/block_store/local/segment_format.h"
#include "shared/base/mutex.h"

namespace skymoor::server {

/// Records one caller wants written together. `encoded` holds whole records whose headers are still empty: where a
/// record starts and its segment's salt are known only when it is its turn.
struct CommitRequest {
  enum class Kind : std::uint8_t { kPut, kRemove, kMove };
  struct Record {
    segment::RecordHeader header;  ///< origin 0: the segment it is written to
    std::uint32_t at = 0;          ///< offset in `encoded`
    std::uint32_t from_segment = 0, from_offset = 0;  ///< kMove: where it is copied from
  };

  explicit CommitRequest(Kind k) : kind(k) {}
  void add_block(const BlockName& name, ByteView payload);
  void add_tombstone(const BlockName& name);

  const Kind kind;
  Bytes encoded;
  std::vector<Record> records;
  Status result;             ///< set by the commit
  std::size_t removed = 0;   ///< blocks its tombstones took away
};

/// One of the waiting callers writes for all that wait (leader), while later ones gather for the next turn: there is
/// never more than one commit at a time, and no thread of our own. Thread-safe. The lock is not held during a commit.
class CommitQueue {
 public:
  using Commit = std::function<void(std::span<CommitRequest* const>)>;
  explicit CommitQueue(Commit commit) : commit_(std::move(commit)), mutex_(kRank, "block_store.commit_queue") {}

  /// Blocks: until the request is durable or failed. Errors: the request's, Unavailable after `close`.
  Status submit(CommitRequest& request);
  /// Waits for the requests in the queue; later ones are refused. Idempotent.
  void close();

 private:
  static constexpr LockRank kRank = 40000;
  struct Waiting {
    CommitRequest* request;
    bool done = false;
  };
  /// Lets the lock go while it commits.
  void lead(MutexLock& lock) NO_THREAD_SAFETY_ANALYSIS;

  const Commit commit_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Waiting*> queue_ GUARDED_BY(mutex_);
  bool committing_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace skymoor::server
