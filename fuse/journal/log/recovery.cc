// Opening the log: which segments there are, whether they are whole, and where a torn tail is cut off.
#include <algorithm>
#include <utility>

#include "fuse/journal/log/op_log.h"
#include "shared/base/log.h"

namespace skymoor::client {

Result<std::unique_ptr<OpLog>> OpLog::open(Disk& disk, Clock& clock, Options options, const Known& known) {
  std::unique_ptr<OpLog> log(new OpLog(disk, clock, std::move(options)));
  TRY(log->load(known));
  return log;
}

Error OpLog::damaged(const Segment& segment, std::uint64_t offset, std::string_view what) const {
  return Error(Code::kCorrupt, "the op log is damaged: " + std::string(what) + " in " + segment.path + " at offset " +
                                   std::to_string(offset) +
                                   "; operations from there on have not reached the server: restore the file from a "
                                   "copy, or run 'skymoor fsck'");
}

Status OpLog::load(const Known& known) {
  std::vector<Lsn> firsts;
  for (const std::string& name : TRY(disk_.list(options_.directory)))
    if (std::optional<Lsn> first = parse_segment_name(name)) firsts.push_back(*first);
  Lsn held = std::min(known.applied, known.acknowledged);  // records up to here are needed by nobody
  if (firsts.empty()) {
    if (known.applied)
      return Error(Code::kCorrupt, "the op log is missing from " + options_.directory + " (log-*), but the tables are at "
                                   "record " + std::to_string(known.applied.value) + "; restore it from a copy");
    return start_segment(Lsn{1});
  }
  if (firsts.front().value > held.value + 1)
    return Error(Code::kCorrupt, "the op log in " + options_.directory + " starts at record " +
                                     std::to_string(firsts.front().value) + ", but record " +
                                     std::to_string(held.value + 1) + " is needed; restore the missing log-* files");
  // Removed segments may come back after a power cut, and not all of them: what lies before the segment of the last
  // unneeded record goes. That one stays, for the notes behind the record.
  auto keep = std::upper_bound(firsts.begin(), firsts.end(), held);
  if (keep != firsts.begin()) --keep;
  for (auto it = firsts.begin(); it != keep; ++it) TRY(disk_.unlink(options_.directory + "/" + segment_name(*it)));
  firsts.erase(firsts.begin(), keep);
  std::vector<std::shared_ptr<Segment>> found;
  for (Lsn first : firsts)
    if (auto segment = TRY(load_segment(first))) found.push_back(std::move(segment));
  if (found.empty()) {
    if (known.applied >= firsts.front())
      return Error(Code::kCorrupt, "the op log in " + options_.directory + " is empty, but the tables are at record " +
                                       std::to_string(known.applied.value) + "; restore it from a copy");
    last_ = synced_ = known.applied.value;
    return start_segment(Lsn{known.applied.value + 1});
  }
  last_ = found.front()->first.value - 1;
  for (std::size_t i = 0; i < found.size(); ++i) {
    bool is_last = i + 1 == found.size();
    // Segments that the tables hold whole are read (and checked) when sync asks for them.
    if (!is_last && found[i + 1]->first.value <= known.applied.value + 1)
      last_ = found[i + 1]->first.value - 1;
    else
      TRY(scan(*found[i], known, is_last));
    if (!is_last && found[i + 1]->first.value != last_ + 1)
      return damaged(*found[i], found[i]->end, "records " + std::to_string(last_ + 1) + " to " +
                                                   std::to_string(found[i + 1]->first.value - 1) + " are missing");
  }
  if (last_ < known.applied.value)
    return damaged(*found.back(), found.back()->end,
                   "it ends at record " + std::to_string(last_) + ", the tables are at " +
                       std::to_string(known.applied.value));
  // Whatever survived so far is made to survive the next power cut too, before anything depends on it.
  TRY(found.back()->file->sync());
  synced_ = last_.load();
  MutexLock lock(segments_mutex_);
  segments_ = std::move(found);
  return {};
}

// A segment whose header never became whole was about to be started; nothing can be in it: null.
Result<std::shared_ptr<OpLog::Segment>> OpLog::load_segment(Lsn first) {
  auto segment = std::make_shared<Segment>();
  segment->first = first;
  segment->path = options_.directory + "/" + segment_name(first);
  segment->file = TRY(disk_.open(segment->path, {}));
  segment->end = TRY(segment->file->size());
  Bytes header(kSegmentHeaderBytes);
  header.resize(TRY(segment->file->read_at(0, header)));
  Result<SegmentHeader> decoded = decode_segment_header(header);
  if (!decoded.ok()) {
    if (segment->end > kSegmentHeaderBytes) return damaged(*segment, 0, decoded.error().message());
    log_warn("journal.segment_dropped", {{"file", segment->path}, {"reason", decoded.error()}});
    TRY(disk_.unlink(segment->path));
    return std::shared_ptr<Segment>();
  }
  if (decoded->volume != options_.volume || decoded->writer != options_.writer)
    return Error(Code::kUnknownServer, segment->path + " belongs to another volume or device (volume " +
                                           decoded->volume.hex() + ")");
  if (decoded->first != first) return damaged(*segment, 0, "the header does not fit the file's name");
  segment->seed = frame_seed(header);
  return segment;
}

Status OpLog::scan(Segment& segment, const Known& known, bool is_last) {
  SegmentReader reader(*segment.file, segment.seed, kSegmentHeaderBytes, segment.end);
  while (!reader.at_end()) {
    std::uint64_t offset = reader.offset();
    std::optional<LogFrame> frame = TRY(reader.next());
    std::uint64_t expected = last_ + (frame && frame->kind == FrameKind::kNote ? 0 : 1);
    std::string_view wrong = !frame                                   ? "unreadable record"
                             : frame->lsn.value != expected           ? "record out of order"
                             : frame->transaction > known.transaction ? "record on tables that were lost"
                                                                      : "";
    if (!wrong.empty()) {
      if (!is_last) return damaged(segment, offset, wrong);
      if (!frame && TRY(only_zeros(segment, offset))) {
        ready_end_ = std::exchange(segment.end, offset);
        return {};
      }
      return cut_tail(segment, offset, known, wrong);
    }
    if (frame->kind == FrameKind::kRecord) {
      note_index(segment, frame->lsn, offset);
      last_ = frame->lsn.value;
    }
  }
  return {};
}

// A process that ends between two writes leaves at most one torn frame, at the very end. A power cut may lose whatever
// was never synced, in any order of pages; but not what was synced. So what is wrong at `offset` is a torn tail unless
// something behind it proves that the record there had been whole.
Status OpLog::cut_tail(Segment& segment, std::uint64_t offset, const Known& known, std::string_view why) {
  if (known.applied.value > last_ || TRY(proven_whole(segment, offset, known.power_lost))) return damaged(segment, offset, why);
  log_warn("journal.torn_tail", {{"file", segment.path},
                                 {"offset", offset},
                                 {"bytes", segment.end - offset},
                                 {"next_lsn", last_ + 1},
                                 {"reason", why}});
  TRY(segment.file->truncate(offset));
  segment.end = offset;
  return {};
}

/// Room that was kept ready, and pages that never reached the disk, look like this.
Result<bool> OpLog::only_zeros(Segment& segment, std::uint64_t offset) {
  Bytes part(64 * 1024);
  for (; offset < segment.end; offset += part.size()) {
    part.resize(std::min<std::uint64_t>(part.size(), segment.end - offset));
    part.resize(TRY(segment.file->read_at(offset, part)));
    if (part.empty()) break;
    if (std::any_of(part.begin(), part.end(), [](std::uint8_t byte) { return byte != 0; })) return false;
  }
  return true;
}

Result<bool> OpLog::proven_whole(Segment& segment, std::uint64_t offset, bool power_lost) {
  Bytes rest(segment.end - offset);
  rest.resize(TRY(segment.file->read_at(offset, rest)));
  std::uint64_t lost = last_ + 1;
  for (std::size_t at = 0; at + kFrameHeaderBytes < rest.size(); ++at) {
    ByteView candidate = ByteView(rest).subspan(at);
    // The lsn first: it is cheap, and wrong almost everywhere.
    std::uint64_t lsn = 0;
    for (int i = 7; i >= 0; --i) lsn = lsn << 8 | candidate[8 + static_cast<std::size_t>(i)];
    if (lsn < lost || lsn > lost + rest.size()) continue;
    std::optional<LogFrame> frame = parse_frame(candidate, segment.seed);
    if (frame && (!power_lost || frame->synced.value >= lost)) return true;
  }
  return false;
}

}  // namespace skymoor::client
