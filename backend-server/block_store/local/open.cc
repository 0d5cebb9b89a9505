// Opening: rebuilds the index, repairs what a crash left.
#include <algorithm>
#include <set>

#include "backend-server/block_store/local/segment_block_store.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

constexpr std::uint64_t kLargestSegment = 2ull * 1024 * 1024 * 1024;  // offsets have 32 bits
/// A segment with less room than this is not continued.
constexpr std::uint64_t kWorthContinuing = 1024 * 1024;

}  // namespace

Result<std::unique_ptr<SegmentBlockStore>> SegmentBlockStore::open(Disk& disk, Random& random, Options options) {
  if (options.segment_bytes == 0 || options.segment_bytes > kLargestSegment)
    return Error(Code::kInvalidArgument, "a block segment has at most 2 GiB");
  TRY(disk.make_directories(options.directory));
  UniqueFd lock = TRY(lock_directory(options.directory));
  std::unique_ptr<SegmentBlockStore> store(new SegmentBlockStore(disk, random, std::move(options), std::move(lock)));
  if (Status recovered = store->recover(); !recovered.ok()) {
    store->closed_ = true;  // nothing was begun: nothing to checkpoint
    return recovered.error().wrap("open block store " + store->options_.directory);
  }
  const BlockStoreStats stats = store->stats();
  log_info("block_store.opened", {{"directory", store->options_.directory},
                                  {"blocks", stats.blocks},
                                  {"bytes", stats.block_bytes},
                                  {"segments", stats.segments}});
  return store;
}

Status SegmentBlockStore::recover() {
  std::set<std::uint32_t> segments, hints;
  std::uint32_t highest = 0;
  for (const std::string& name : TRY(disk_.list(options_.directory))) {
    if (name.ends_with(".new")) TRY(disk_.unlink(options_.directory + "/" + name));  // a durable write cut short
    if (auto number = segment::number_in_name(name, ".segment")) segments.insert(*number);
    if (auto number = segment::number_in_name(name, ".hint")) hints.insert(*number);
    if (auto number = segment::number_in_name(name, ".segment.damaged")) highest = std::max(highest, *number);
  }
  for (std::uint32_t number : hints)
    if (!segments.contains(number)) TRY(disk_.unlink(segment::hint_path(options_.directory, number)));
  if (!segments.empty()) highest = std::max(highest, *segments.rbegin());
  writer_.set_next_number(highest + 1);
  for (std::uint32_t number : segments) TRY(recover_segment(number, number == *segments.rbegin()));
  // A segment's name, too, may be in the page cache only: its maker may have been killed before it synced the directory.
  return segments.empty() ? Status() : disk_.sync_directory(options_.directory);
}

Status SegmentBlockStore::recover_segment(std::uint32_t number, bool last) {
  const std::string path = segment::segment_path(options_.directory, number);
  auto file = TRY(disk_.open(path, {}));
  const std::uint64_t size = TRY(file->size());
  if (size < segment::kFileHeaderBytes) {
    // Nothing is acknowledged before the header is synced.
    log_info("block_store.segment_unborn", {{"path", path}});
    return disk_.unlink(path);
  }
  auto contents = segment::read_contents(disk_, options_.directory, number, *file);
  if (!contents.ok() && contents.error().code() == Code::kCorrupt) return set_aside(number, contents.error());
  if (!contents.ok()) return contents.error();
  return finish_segment(number, last, std::move(file), std::move(*contents));
}

Status SegmentBlockStore::finish_segment(std::uint32_t number, bool last, std::unique_ptr<File> file,
                                         segment::Contents contents) {
  segment::Scan& scan = contents.scan;
  const std::string path = segment::segment_path(options_.directory, number);
  if (scan.skipped_bytes)
    log_error("block_store.segment_damaged", {{"path", path}, {"skipped_bytes", scan.skipped_bytes}});
  if (scan.unreadable)
    log_error("block_store.segment_unreadable", {{"path", path}, {"advice", "the disk cannot read some of it: copy it away, replace the disk"}});
  if (scan.end < contents.file_bytes && !scan.unreadable) {
    log_warn("block_store.tail_cut",
             {{"path", path}, {"kept_bytes", scan.end}, {"cut_bytes", contents.file_bytes - scan.end}});
    TRY(file->truncate(scan.end));
  }
  // What was read beyond the hint may be in the page cache only; from here on it counts as durable.
  const bool beyond_hint = contents.hinted_bytes != scan.end;
  if (beyond_hint) TRY(file->sync());
  catalogue_.add_segment(number, contents.header.salt, scan.end);
  catalogue_.apply(number, scan.entries, scan.end);
  if (scan.unreadable) {   // perhaps more of it can be read the next time
    catalogue_.seal_segment(number, scan.end);
    catalogue_.keep_segment(number);
    return {};
  }
  if (last && !contents.closed && scan.end + kWorthContinuing <= options_.segment_bytes) {
    writer_.resume(number, contents.header.salt, std::move(file), scan.end, std::move(scan.entries));
    return {};
  }
  if (!contents.closed) {
    const Bytes hint = segment::encode_hint(number, contents.header.salt, scan.end, true, scan.entries);
    // Without it the segment is only slower to open: a full disk keeps nobody from reading.
    if (Status written = write_file_durably(disk_, segment::hint_path(options_.directory, number), hint); !written.ok())
      log_warn("block_store.hint_not_written", {{"segment", number}, {"error", written.error()}});
  }
  catalogue_.seal_segment(number, scan.end);
  return {};
}

/// A segment whose headers and hint are all lost is kept for a person to look at, and its blocks count as missing.
Status SegmentBlockStore::set_aside(std::uint32_t number, const Error& why) {
  const std::string path = segment::segment_path(options_.directory, number);
  log_error("block_store.segment_lost", {{"path", path}, {"error", why}});
  return disk_.rename(path, path + ".damaged");
}

}  // namespace skymoor::server
