#include "fuse/journal/log/op_log.h"

#include <algorithm>

#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::client {
namespace {

// One place in this many bytes is remembered, so that a reader need not start at the segment's begin.
constexpr std::uint64_t kIndexEvery = 128 * 1024;

// A sync that makes a file longer, or fills a hole in it, has to wait for a transaction of the filesystem below; one that
// overwrites does not. So where each sync is of little, as with programs that fsync each small write, zeros are written
// ahead. Not where much is written between two syncs: there it would be written twice.
constexpr std::uint64_t kReadyBytes = 64 * 1024;
constexpr std::uint64_t kSmallSyncBytes = 16 * 1024;

}  // namespace

std::shared_ptr<OpLog::Segment> OpLog::current() {
  MutexLock lock(segments_mutex_);
  return segments_.back();
}

/// What cannot be done without memory is done before the frame is in the file. Who appends is the only one to change the index,
/// and may look at it without the lock.
void OpLog::make_index_room(Segment& segment) {
  auto& index = segment.index;
  if (index.size() < index.capacity()) return;
  MutexLock lock(segments_mutex_);
  index.reserve(2 * index.size() + 8);
}

void OpLog::note_index(Segment& segment, Lsn lsn, std::uint64_t offset) {
  auto& index = segment.index;
  if (index.empty() || offset >= index.back().second + kIndexEvery) index.emplace_back(lsn, offset);
}

ByteWriter& OpLog::start(FrameKind kind, Lsn lsn, std::uint64_t transaction) {
  started_ = kind;
  started_lsn_ = lsn;
  start_frame(buffer_, LogFrame{kind, lsn, transaction, std::min(synced(), lsn), {}, 0});
  return buffer_;
}

Status OpLog::append() {
  if (append_failure_) return append_failure_->wrap("the op log is closed after a failure; restart the client");
  std::shared_ptr<Segment> segment = current();
  bool has_records = segment->first <= last();
  if (has_records && started_ == FrameKind::kRecord && segment->end + buffer_.size() > options_.segment_bytes) {
    TRY(rotate());
    segment = current();
  }
  seal_frame(buffer_, segment->seed);
  make_index_room(*segment);
  if (Status written = segment->file->write_at(segment->end, buffer_.view()); !written.ok()) {
    // Part of the frame may be there. It must go: a later, shorter frame would not cover all of it.
    ready_end_ = 0;
    if (Status cut = segment->file->truncate(segment->end); !cut.ok()) {
      append_failure_ = cut.error();
      log_error("journal.append_failed", {{"file", segment->path}, {"error", cut.error()}});
    }
    return written.error().wrap("write the op log");
  }
  {
    MutexLock lock(segments_mutex_);
    if (started_ == FrameKind::kRecord) note_index(*segment, started_lsn_, segment->end);
    segment->end += buffer_.size();
    ++appended_;
    if (started_ == FrameKind::kRecord) last_.store(started_lsn_.value, std::memory_order_release);
  }
  if (segment->end > ready_end_ && small_syncs_.load(std::memory_order_relaxed)) keep_room_ready(*segment);
  return {};
}

// By the appender, so that no frame is written where zeros are still to come.
void OpLog::keep_room_ready(Segment& segment) {
  std::uint64_t end = (segment.end / kReadyBytes + 2) * kReadyBytes;
  end = std::min<std::uint64_t>(end, options_.segment_bytes);
  if (end <= segment.end) return;
  // A failure costs speed alone: zeros behind the last frame say nothing.
  const bool written = contained([&] { return segment.file->write_at(segment.end, Bytes(end - segment.end)); }).ok();
  ready_end_ = written ? end : segment.end;
  if (!written) small_syncs_ = false;
}

// The old segment is on the disk before the new one takes records: of all segments only the last can have a torn tail, or
// zeros behind its last frame.
Status OpLog::rotate() {
  TRY(sync(last()));
  if (ready_end_ != 0) {
    TRY(current()->file->truncate(current()->end));
    ready_end_ = 0;
  }
  if (Status flushed = current()->file->sync(); !flushed.ok()) {  // notes behind the last record
    MutexLock lock(sync_mutex_);
    sync_failure_ = flushed.error();
    return flushed.error().wrap("sync the op log");
  }
  frames_synced_ = appended_.load();
  return start_segment(Lsn{last().value + 1});
}

Status OpLog::start_segment(Lsn first) {
  auto segment = std::make_shared<Segment>();
  segment->first = first;
  segment->path = options_.directory + "/" + segment_name(first);
  segment->file = TRY(disk_.open(segment->path, {.create = true}));
  Bytes header = encode_segment_header({options_.volume, options_.writer, first, clock_.now()});
  auto prepare = [&]() -> Status {
    TRY(segment->file->truncate(0));  // left over from an attempt that failed
    TRY(segment->file->write_at(0, header));
    TRY(segment->file->sync());
    return disk_.sync_directory(options_.directory);
  };
  if (Status ready = prepare(); !ready.ok()) {
    (void)disk_.unlink(segment->path).ok();  // the next attempt truncates it, recovery drops it
    return ready.error().wrap("start a log segment");
  }
  segment->seed = frame_seed(header);
  segment->end = kSegmentHeaderBytes;
  MutexLock lock(segments_mutex_);
  segments_.push_back(std::move(segment));
  return {};
}

Status OpLog::sync(Lsn lsn) {
  if (lsn > last()) lsn = last();
  MutexLock lock(sync_mutex_);
  for (;;) {
    if (sync_failure_) return sync_failure_->wrap("an earlier sync of the op log failed");
    if (synced() >= lsn && frames_synced_ >= required_) return {};
    if (!syncing_) break;
    sync_done_.wait(lock);
  }
  syncing_ = true;
  lock.unlock();
  Lsn target;
  std::uint64_t frames, end;
  std::shared_ptr<Segment> segment;
  {
    MutexLock segments(segments_mutex_);
    target = last();
    frames = appended_;
    segment = segments_.back();
    end = segment->end;
  }
  // Those who wait must hear of it, whatever happens.
  Status done = contained([&] { return sync_dependencies_ ? sync_dependencies_() : Status{}; });
  if (done.ok()) done = contained([&] { return segment->file->sync(); });
  lock.lock();
  syncing_ = false;
  sync_done_.notify_all();
  if (done.ok()) {
    synced_.store(std::max(synced().value, target.value), std::memory_order_release);
    frames_synced_ = std::max(frames_synced_.load(), frames);
    small_syncs_ = synced_segment_ == segment.get() && end - synced_end_ <= kSmallSyncBytes;
    synced_segment_ = segment.get();
    synced_end_ = end;
  } else {
    // The kernel may have dropped the pages: a later success would prove nothing.
    sync_failure_ = done.error();
    log_error("journal.sync_failed", {{"file", segment->path}, {"error", done.error()}});
  }
  return done;
}

Lsn OpLog::first_of_current() { return current()->first; }

std::size_t OpLog::segments() {
  MutexLock lock(segments_mutex_);
  return segments_.size();
}

bool OpLog::would_release(Lsn lsn) {
  MutexLock lock(segments_mutex_);
  return segments_.size() > 1 && segments_[1]->first.value <= lsn.value + 1;
}

Status OpLog::release(Lsn lsn) {
  for (;;) {
    std::shared_ptr<Segment> oldest;
    {
      MutexLock lock(segments_mutex_);
      if (segments_.size() < 2 || segments_[1]->first.value > lsn.value + 1) return {};
      oldest = segments_.front();
    }
    TRY(disk_.unlink(oldest->path));
    MutexLock lock(segments_mutex_);
    segments_.erase(segments_.begin());
  }
}

Status OpLog::read(Lsn from, const Visit& visit) {
  struct Part {
    std::shared_ptr<Segment> segment;
    std::uint64_t begin, end;
  };
  std::vector<Part> parts;
  {
    MutexLock lock(segments_mutex_);
    // From the record before `from`, where it still is: notes follow it.
    std::size_t at = segments_.size();
    while (at > 0 && segments_[at - 1]->first >= from) --at;
    if (at > 0) --at;
    if (segments_[at]->first > from)
      return Error(Code::kNotFound, "log record " + std::to_string(from.value) + " was released");
    for (std::size_t i = at; i < segments_.size(); ++i) {
      std::uint64_t begin = kSegmentHeaderBytes;
      for (auto [lsn, offset] : segments_[i]->index)
        if (lsn < from) begin = offset;
      parts.push_back({segments_[i], begin, segments_[i]->end});
    }
  }
  std::optional<Lsn> expected;
  for (const Part& part : parts) {
    SegmentReader reader(*part.segment->file, part.segment->seed, part.begin, part.end);
    while (!reader.at_end()) {
      std::uint64_t offset = reader.offset();
      std::optional<LogFrame> frame = TRY(reader.next());
      if (!frame) return damaged(*part.segment, offset, "unreadable record");
      if (frame->kind == FrameKind::kRecord) {
        if (expected && frame->lsn != *expected) return damaged(*part.segment, offset, "record out of order");
        expected = Lsn{frame->lsn.value + 1};
        MutexLock lock(segments_mutex_);
        note_index(*part.segment, frame->lsn, offset);
      }
      bool wanted = frame->lsn >= from || (frame->kind == FrameKind::kNote && frame->lsn.value + 1 == from.value);
      if (wanted && !TRY(visit(*frame))) return {};
    }
  }
  return {};
}

}  // namespace skymoor::client
