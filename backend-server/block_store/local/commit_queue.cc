#include "backend-server/block_store/local/commit_queue.h"

#include <algorithm>
#include <array>

namespace skymoor::server {
namespace {

/// Bounds how long a turn takes, and with it how long the first in the queue waits.
constexpr std::size_t kTurnBytes = 64 * 1024 * 1024;
constexpr std::size_t kMostInTurn = 256;
/// What is copied while the processor's cache has it from its checksum.
constexpr std::size_t kPieceBytes = 32 * 1024;

}  // namespace

void CommitRequest::add_block(const BlockName& name, ByteView payload) {
  Record record;
  record.header = {.name = name, .bytes = static_cast<std::uint32_t>(payload.size())};
  record.at = static_cast<std::uint32_t>(encoded.size());
  encoded.resize(encoded.size() + segment::kRecordHeaderBytes);
  for (ByteView rest = payload; !rest.empty(); rest = rest.subspan(std::min(rest.size(), kPieceBytes))) {
    const ByteView piece = rest.first(std::min(rest.size(), kPieceBytes));
    record.header.payload_crc = crc32c(piece, record.header.payload_crc);
    append(encoded, piece);
  }
  encoded.resize(record.at + segment::record_bytes(record.header.bytes));
  records.push_back(record);
}

void CommitRequest::add_tombstone(const BlockName& name) {
  Record record;
  record.header = {.kind = segment::RecordKind::kTombstone, .name = name};
  record.at = static_cast<std::uint32_t>(encoded.size());
  encoded.resize(encoded.size() + segment::record_bytes(0));
  records.push_back(record);
}

Status CommitQueue::submit(CommitRequest& request) {
  Waiting self{&request};
  MutexLock lock(mutex_);
  if (closed_) return Error(Code::kUnavailable, "the block store is closed");
  queue_.push_back(&self);
  while (!self.done) {
    if (committing_)
      changed_.wait(lock);
    else
      lead(lock);
  }
  return request.result;
}

void CommitQueue::lead(MutexLock& lock) {
  committing_ = true;
  // Nothing is allocated here: an exception would leave those who wait waiting.
  std::array<Waiting*, kMostInTurn> turn;
  std::array<CommitRequest*, kMostInTurn> requests;
  std::size_t bytes = 0, count = 0;
  while (!queue_.empty() && bytes < kTurnBytes && count < kMostInTurn) {
    Waiting* next = queue_.front();
    // A move checks the index before it is written, so that nothing may be on its way there: it gets its own turn.
    const bool alone = next->request->kind == CommitRequest::Kind::kMove;
    if (alone && count > 0) break;
    queue_.pop_front();
    turn[count] = next;
    requests[count++] = next->request;
    bytes += next->request->encoded.size();
    if (alone) break;
  }
  lock.unlock();
  commit_(std::span(requests).first(count));
  lock.lock();
  for (Waiting* w : std::span(turn).first(count)) w->done = true;
  committing_ = false;
  changed_.notify_all();
}

void CommitQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  while (committing_ || !queue_.empty()) changed_.wait(lock);
}

}  // namespace skymoor::server
