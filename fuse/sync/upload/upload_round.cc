#include "fuse/sync/upload/upload_round.h"

#include <numeric>

#include "fuse/sync/connection.h"
#include "fuse/sync/waiting.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"
#include "shared/block/pack.h"

namespace skymoor::client {
namespace {

constexpr int kQuickAttempts = 3;       // within one call; longer absences are the engine's business
constexpr std::chrono::milliseconds kLeastPause{200}, kLongestPause{2000};   // between them
constexpr int kMaxRepairs = 6;          // times that damaged or lost segments of one pack are sent again
constexpr std::uint16_t kAllSegments = 0xffff;
constexpr std::chrono::milliseconds kLook{100};   // between two things done meanwhile, when nothing moves
constexpr std::size_t kChunksAtOnce = 4, kBytesAtOnce = 4u << 20;   // sealed by one task

/// Whoever counts its tasks must hear that one will not run, whatever the reason.
template <typename Task>
Status submit(Executor& pool, Task&& task) {
  return contained([&] { return pool.submit(std::forward<Task>(task)); });
}

bool passing(const Error& error) {
  return unreachable(error) || error.code() == Code::kRateLimited || error.code() == Code::kBusy;
}

}  // namespace

UploadRound::~UploadRound() {
  MutexLock lock(mutex_);
  if (!error_) error_ = Error(Code::kCancelled, "given up");   // takes no memory
  Watchdog::Idle idle;
  while (tasks_ > 0) changed_.wait(lock);
}

void UploadRound::fail(Error error) {
  MutexLock lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

std::optional<Error> UploadRound::error() {
  MutexLock lock(mutex_);
  return error_;
}

void UploadRound::release(std::size_t bytes) {
  MutexLock lock(mutex_);
  memory_ -= bytes;
  changed_.notify_all();
}

void UploadRound::do_meanwhile(const MutexLock&) {
  Watchdog::progress();
  if (!meanwhile_ || error_) return;
  Status done;
  {
    MutexUnlock without(mutex_);
    done = meanwhile_();
  }
  if (!done.ok() && !error_) error_ = std::move(done).error();
}

Status UploadRound::seal(Bytes chunk, Told told) {
  const std::size_t bytes = chunk.size();
  NotifyOnStop wake(stop_, mutex_, changed_);
  MutexLock lock(mutex_);
  do_meanwhile(lock);
  while (!error_ && !stop_.stop_requested() && memory_ > 0 && memory_ + bytes > context_.memory_bytes) {
    // What waits for more of its kind would keep its memory for ever.
    if (tasks_ > 0) changed_.wait_for(lock, kLook);
    else if (!raw_.empty()) seal_waiting(lock);
    else dispatch(lock);
    do_meanwhile(lock);
  }
  if (stop_.stop_requested()) return Error(Code::kCancelled, "stopped");
  if (error_) return *error_;
  memory_ += bytes;
  raw_bytes_ += bytes;
  raw_.push_back({std::move(chunk), std::move(told)});
  if (raw_.size() >= kChunksAtOnce || raw_bytes_ >= kBytesAtOnce) seal_waiting(lock);
  if (error_) return *error_;
  return {};
}

/// Gives the chunks that wait to a sealer.
void UploadRound::seal_waiting(const MutexLock&) {
  if (raw_.empty()) return;
  auto group = std::make_shared<std::vector<Raw>>(std::exchange(raw_, {}));
  const std::size_t bytes = std::exchange(raw_bytes_, 0);
  ++tasks_;
  ++sealing_;
  Status queued;
  {
    MutexUnlock meanwhile(mutex_);
    queued = submit(context_.sealers, [this, group] {
      Status sealed = contained([&]() -> Status {
        seal_group(*group);
        return {};
      });
      group->clear();
      if (!sealed.ok()) fail(std::move(sealed).error());
      MutexLock inner(mutex_);
      --tasks_;
      --sealing_;
      changed_.notify_all();
    });
  }
  if (queued.ok()) return;
  memory_ -= bytes;
  --tasks_;
  --sealing_;
  if (!error_) error_ = std::move(queued).error();
}

void UploadRound::seal_group(std::vector<Raw>& group) {
  std::vector<Bytes> chunks;
  std::vector<std::size_t> sizes;
  for (Raw& raw : group) {
    sizes.push_back(raw.chunk.size());
    chunks.push_back(std::move(raw.chunk));
  }
  auto sealed = error() ? Result<Blocks>(Error(Code::kCancelled, "given up"))
                        : block::seal_in_place(context_.block_key, chunks);
  if (!sealed.ok()) {
    fail(std::move(sealed).error());
    return release(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
  }
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].told.sealed((*sealed)[i]);
    add(std::move((*sealed)[i]), sizes[i], std::move(group[i].told.stored));
  }
}

void UploadRound::add(block::SealedBlock block, std::size_t chunk_bytes, std::function<void()> stored) {
  const bool known = context_.known.contains(block.id);
  {
    MutexLock lock(mutex_);
    bool fresh = false;
    if (!known && !error_) {
      auto& waiting = on_way_[block.id];
      fresh = waiting.empty();
      waiting.push_back(std::move(stored));
    }
    if (fresh) {
      // What is kept from here on is the sealed form.
      memory_ = memory_ - chunk_bytes + block.bytes.size();
      open_memory_ += block.bytes.size();
      open_bytes_ += block.bytes.size();
      open_.push_back(std::move(block));
      if (open_bytes_ >= context_.pack_bytes) dispatch(lock);
    } else {
      if (!error_) ++context_.progress.deduplicated_blocks;
      memory_ -= chunk_bytes;
    }
    changed_.notify_all();
  }
  if (known && stored) stored();
}

void UploadRound::note_stored(const BlockId& id) {
  context_.known.add(id);
  std::vector<std::function<void()>> waiting;
  {
    MutexLock lock(mutex_);
    if (auto it = on_way_.find(id); it != on_way_.end()) {
      waiting = std::move(it->second);
      on_way_.erase(it);
    }
  }
  for (const auto& stored : waiting)
    if (stored) stored();
}

void UploadRound::dispatch(const MutexLock&) {
  if (open_.empty()) return;
  auto blocks = std::make_shared<Blocks>(std::move(open_));
  const std::size_t memory = open_memory_;
  open_.clear();
  open_bytes_ = open_memory_ = 0;
  ++tasks_;
  Status queued;
  {
    MutexUnlock meanwhile(mutex_);
    queued = submit(context_.senders, [this, blocks, memory] {
      Status sent = contained([&]() -> Status {
        if (error()) return Error(Code::kCancelled, "given up");
        return send(*blocks);
      });
      blocks->clear();
      if (!sent.ok()) fail(std::move(sent).error());
      MutexLock inner(mutex_);
      memory_ -= memory;
      --tasks_;
      changed_.notify_all();
    });
  }
  if (queued.ok()) return;
  memory_ -= memory;
  --tasks_;
  if (!error_) error_ = std::move(queued).error();
}

Status UploadRound::finish() {
  NotifyOnStop wake(stop_, mutex_, changed_);
  MutexLock lock(mutex_);
  while (!error_ && (tasks_ > 0 || !raw_.empty() || !open_.empty())) {
    if (stop_.stop_requested()) return Error(Code::kCancelled, "stopped");
    if (!raw_.empty()) seal_waiting(lock);
    else if (!open_.empty() && sealing_ == 0) dispatch(lock);  // everything is sealed: the last pack goes
    else changed_.wait_for(lock, kLook);
    do_meanwhile(lock);
  }
  if (error_) return *error_;
  return {};
}

/// False: there is no more use in trying.
bool UploadRound::pause(Backoff& backoff) {
  CondVar stopped;
  NotifyOnStop wake(stop_, mutex_, stopped);
  MutexLock lock(mutex_);
  if (error_ || stop_.stop_requested()) return false;
  stopped.wait_for(lock, backoff.next());
  return true;
}

/// Which of the segments in `left` the server lacks still. Blocks that it has are counted in `stored`.
Status UploadRound::ask(const Blocks& blocks, Segments& left, std::atomic<std::uint64_t>& stored) {
  std::vector<BlockId> ids;
  std::unordered_map<BlockId, std::size_t> asked;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (!left[i].empty() && asked.emplace(blocks[i].id, i).second) ids.push_back(blocks[i].id);
  Backoff backoff({kLeastPause, kLongestPause}, context_.random);
  auto states = context_.remote.missing_blocks(ids, options());
  for (int round = 1; !states.ok() && round < kQuickAttempts && passing(states.error()) && pause(backoff); ++round)
    states = context_.remote.missing_blocks(ids, options());
  if (!states.ok()) return std::move(states).error();
  for (const protocol::BlockStatus& state : *states)
    if (auto it = asked.find(state.block); it != asked.end()) {
      note(state, left[it->second], stored);
      asked.erase(it);
    }
  if (!asked.empty()) return Error(Code::kIo, "the server left a block out of its answer");
  return {};
}

void UploadRound::note(const protocol::BlockStatus& state, std::vector<std::uint16_t>& left, std::atomic<std::uint64_t>& stored) {
  switch (state.state) {
    case protocol::BlockState::kStored:
      left.clear();
      ++stored;
      note_stored(state.block);
      break;
    case protocol::BlockState::kMissing: left = {kAllSegments}; break;
    case protocol::BlockState::kPartial: left = state.missing_segments; break;
  }
}

Status UploadRound::send(Blocks& blocks) {
  const auto segments_of = [&](const Segments& left) {
    std::size_t all = 0;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      all += !left[i].empty() && left[i].front() == kAllSegments
                 ? block::segment_count(static_cast<std::uint32_t>(blocks[i].bytes.size())) : left[i].size();
    return all;
  };
  Segments left(blocks.size(), {kAllSegments});
  TRY(ask(blocks, left, context_.progress.deduplicated_blocks));
  Backoff backoff({kLeastPause, kLongestPause}, context_.random);
  for (int repair = 0, broken = 0; repair < kMaxRepairs;) {
    const std::size_t before = segments_of(left);
    if (before == 0) return {};
    if (Status sent = send_packs(blocks, left); sent.ok()) {
      if (++repair > 1) log_info("sync.upload.repair", {{"round", repair}});
      continue;
    } else if (!passing(sent.error()) || broken + 1 == kQuickAttempts || !pause(backoff)) {
      return sent;
    }
    // The whole segments that came before the line broke are kept: as long as there are some, it is worth to go on.
    TRY(ask(blocks, left, context_.progress.uploaded_blocks));
    broken = segments_of(left) < before ? 0 : broken + 1;
  }
  return Error(Code::kIo, "segments of a pack arrive damaged again and again");
}

/// Sends the segments asked for in as many packs as it takes, and notes in `segments` what is still missing.
Status UploadRound::send_packs(Blocks& blocks, Segments& segments) {
  std::size_t total = 0;
  for (const block::SealedBlock& block : blocks) total += block.bytes.size();
  block::PackWriter pack(std::min(total, context_.pack_bytes));
  std::unordered_map<BlockId, std::size_t> in_pack;
  auto flush = [&]() -> Status {
    if (in_pack.empty()) return {};
    const Bytes bytes = pack.take();
    TRY(context_.throttle.take(bytes.size(), stop_));
    auto states = TRY(context_.remote.upload_pack(bytes, options()));
    context_.progress.uploaded_bytes += bytes.size();
    for (const protocol::BlockStatus& state : states) {
      auto it = in_pack.find(state.block);
      if (it == in_pack.end()) continue;
      note(state, segments[it->second], context_.progress.uploaded_blocks);
    }
    in_pack.clear();
    return {};
  };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (segments[i].empty()) continue;
    const block::SealedBlock& b = blocks[i];
    const auto size = static_cast<std::uint32_t>(b.bytes.size());
    if (!in_pack.empty() &&
        (pack.size() + size > context_.pack_bytes ||
         pack.segments() + block::segment_count(size) > block::kMaxPackSegments))
      TRY(flush());
    in_pack[b.id] = i;
    if (segments[i].front() == kAllSegments) {
      pack.add_block(b.id, b.bytes);
      continue;
    }
    for (std::uint16_t index : segments[i]) {
      if (index >= block::segment_count(size)) return Error(Code::kIo, "the server asks for a segment that is not there");
      const std::size_t begin = std::size_t{index} * block::kSegmentBytes;
      pack.add_segment(b.id, size, index,
                       ByteView(b.bytes).subspan(begin, std::min<std::size_t>(block::kSegmentBytes, size - begin)));
    }
  }
  return flush();
}

}  // namespace skymoor::client
