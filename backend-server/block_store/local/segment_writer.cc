#include "backend-server/block_store/local/segment_writer.h"

#include <algorithm>

#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::server {

using segment::Entry;
using segment::RecordKind;

SegmentWriter::SegmentWriter(Disk& disk, Random& random, Catalogue& catalogue, Options options)
    : disk_(disk), random_(random), catalogue_(catalogue), options_(std::move(options)) {}

/// Where memory runs out on the way all of the turn is refused, what is durable of it too: who sends that again finds it.
void SegmentWriter::commit(std::span<CommitRequest* const> requests) {
  const Status ready = MustFinish::ready();
  const Status done = !ready.ok() ? ready : contained([&]() -> Status {
    write(requests);
    return {};
  });
  if (done.ok()) return;
  const MustFinish finishing;
  for (CommitRequest* request : requests) request->result = done;
  if (!ready.ok()) return;   // nothing was begun
  pending_.clear();
  if (active_) abandon(done.error());
}

void SegmentWriter::write(std::span<CommitRequest* const> requests) {
  for (CommitRequest* request : requests) {
    if (request->kind == CommitRequest::Kind::kMove) drop_outdated(*request);
    if (request->records.empty()) continue;
    if (Status appended = append(*request); !appended.ok()) request->result = appended;
  }
  settle();
}

/// Appends without syncing; the request's result is settled later unless this fails.
Status SegmentWriter::append(CommitRequest& request) {
  TRY(make_room(request));
  Pending pending = place(request);
  Status written = active_->file->write_at(active_->end, request.encoded);
  if (!written.ok()) {
    cut_back();
    return written;
  }
  pending_.push_back(std::move(pending));
  active_->end += request.encoded.size();
  return {};
}

Status SegmentWriter::make_room(const CommitRequest& request) {
  const std::uint64_t size = request.encoded.size();
  // Tombstones and moves are what makes room: they may use the reserve.
  if (request.kind == CommitRequest::Kind::kPut && options_.reserve_bytes &&
      TRY(disk_.free_bytes(options_.directory)) < options_.reserve_bytes + size)
    return Error(Code::kNoSpace, "the block store's disk is full up to its reserve");
  const bool full = active_ && active_->end > segment::kFileHeaderBytes && active_->end + size > options_.segment_bytes;
  if (full) {
    settle();
    if (active_) seal();  // settle may have abandoned it
  }
  return active_ ? Status() : create_segment();
}

Status SegmentWriter::create_segment() {
  const std::uint32_t number = next_number_++;
  const std::string path = segment::segment_path(options_.directory, number);
  const segment::FileHeader header{number, static_cast<std::uint32_t>(random_.u64())};
  auto make = [&]() -> Result<std::unique_ptr<File>> {
    auto file = TRY(disk_.open(path, {.create = true, .exclusive = true}));
    TRY(file->write_at(0, segment::encode_file_header(header)));
    TRY(file->sync());
    TRY(disk_.sync_directory(options_.directory));
    return file;
  };
  auto file = make();
  if (!file.ok()) {
    if (disk_.exists(path)) (void)disk_.unlink(path);
    return file.error();
  }
  active_ = Active{number, header.salt, std::move(*file), segment::kFileHeaderBytes, segment::kFileHeaderBytes, {}};
  catalogue_.add_segment(number, header.salt, segment::kFileHeaderBytes);
  return {};
}

/// Fills in the headers, now that the place of each record is known.
SegmentWriter::Pending SegmentWriter::place(CommitRequest& request) {
  Pending pending{&request, {}};
  pending.entries.reserve(request.records.size());
  for (CommitRequest::Record& record : request.records) {
    segment::RecordHeader header = record.header;
    if (header.origin == 0) header.origin = active_->number;
    segment::encode_record_header(
        header, active_->salt,
        std::span(request.encoded).subspan(record.at).first<segment::kRecordHeaderBytes>());
    pending.entries.push_back({header.kind, false, header.name, static_cast<std::uint32_t>(active_->end + record.at),
                               header.bytes, header.origin});
  }
  return pending;
}

/// Makes durable what was appended, and only then visible.
void SegmentWriter::settle() {
  if (pending_.empty()) return;
  Status synced = disk_.fault("block_store.written", options_.directory);
  if (synced.ok()) synced = active_->file->sync();
  ++syncs_;
  if (!synced.ok()) {
    for (Pending& p : pending_) p.request->result = synced.error().wrap("sync of a block segment failed");
    abandon(synced.error());
    pending_.clear();
    return;
  }
  const MustFinish finishing;   // the hint has to name what the catalogue does
  active_->durable_end = active_->end;
  for (Pending& p : pending_) {
    p.request->removed = catalogue_.apply(active_->number, p.entries, active_->end);
    active_->entries.insert(active_->entries.end(), p.entries.begin(), p.entries.end());
  }
  pending_.clear();
}

/// After a failed write: the segment must end after its last whole record, or no further one may follow.
void SegmentWriter::cut_back() {
  Status cut = active_->file->truncate(active_->end);
  if (cut.ok()) return;
  settle();
  if (active_) abandon(cut.error());
}

void SegmentWriter::seal() {
  const Bytes hint =
      segment::encode_hint(active_->number, active_->salt, active_->durable_end, true, active_->entries);
  Status written = write_file_durably(disk_, segment::hint_path(options_.directory, active_->number), hint);
  if (!written.ok())  // the segment is whole: it is only slower to open
    log_warn("block_store.hint_not_written", {{"segment", active_->number}, {"error", written.error()}});
  catalogue_.seal_segment(active_->number, active_->durable_end);
  active_.reset();
}

void SegmentWriter::abandon(const Error& why) {
  log_error("block_store.segment_abandoned",
            {{"segment", active_->number}, {"kept_bytes", active_->durable_end}, {"error", why}});
  if (active_->durable_end <= segment::kFileHeaderBytes) {
    (void)disk_.unlink(segment::segment_path(options_.directory, active_->number));
    catalogue_.drop_segment(active_->number);
    active_.reset();
    return;
  }
  (void)active_->file->truncate(active_->durable_end);
  seal();
}

/// What was removed, replaced or damaged since the move was prepared is not written: it would come back to life.
void SegmentWriter::drop_outdated(CommitRequest& move) const {
  auto outdated = [&](const CommitRequest::Record& r) {
    auto located = catalogue_.find(r.header.name);
    if (r.header.kind == RecordKind::kTombstone) return located.has_value();
    return !located || located->place.segment != r.from_segment || located->place.offset != r.from_offset;
  };
  if (std::none_of(move.records.begin(), move.records.end(), outdated)) return;
  CommitRequest kept(CommitRequest::Kind::kMove);
  for (CommitRequest::Record r : move.records) {
    if (outdated(r)) continue;
    const auto from = move.encoded.begin() + r.at;
    r.at = static_cast<std::uint32_t>(kept.encoded.size());
    kept.encoded.insert(kept.encoded.end(), from, from + segment::record_bytes(r.header.bytes));
    kept.records.push_back(r);
  }
  move.encoded = std::move(kept.encoded);
  move.records = std::move(kept.records);
}

void SegmentWriter::resume(std::uint32_t number, std::uint32_t salt, std::unique_ptr<File> file, std::uint64_t end,
                           std::vector<Entry> entries) {
  active_ = Active{number, salt, std::move(file), end, end, std::move(entries)};
}

bool SegmentWriter::note_damaged(std::uint32_t segment, std::uint32_t offset) {
  if (!active_ || active_->number != segment) return false;
  for (segment::Entry& entry : active_->entries)
    if (entry.offset == offset) entry.damaged = true;
  return true;
}

Status SegmentWriter::checkpoint() {
  if (!active_ || active_->durable_end <= segment::kFileHeaderBytes) return {};
  const Bytes hint =
      segment::encode_hint(active_->number, active_->salt, active_->durable_end, false, active_->entries);
  return write_file_durably(disk_, segment::hint_path(options_.directory, active_->number), hint);
}

}  // namespace skymoor::server
