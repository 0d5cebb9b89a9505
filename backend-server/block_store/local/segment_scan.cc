#include "backend-server/block_store/local/segment_scan.h"

#include "shared/base/log.h"
#include "shared/block/seal.h"

namespace skymoor::server::segment {
namespace {

constexpr std::size_t kWindowBytes = 1024 * 1024;
constexpr std::size_t kSectorBytes = 4096;
constexpr std::size_t kMaxHintBytes = 1024 * 1024 * 1024;

/// Walks one file. Not thread-safe.
class Scanner {
 public:
  Scanner(File& file, std::uint32_t salt, std::uint64_t size) : file_(file), salt_(salt), size_(size) {}

  Result<Scan> run(std::uint64_t from) {
    scan_.end = from;
    std::size_t whole = 0;  // entries up to the last whole record
    for (std::uint64_t at = from; at < size_;) {
      auto header = TRY(header_at(at));
      if (!header) {
        auto next = TRY(find_whole_record(at + kAlignment));
        if (!next) break;
        scan_.skipped_bytes += *next - at;
        at = *next;
        continue;
      }
      const bool intact = TRY(payload_intact(at, *header));
      scan_.entries.push_back({header->kind, !intact, header->name, static_cast<std::uint32_t>(at), header->bytes,
                               header->origin});
      at += record_bytes(header->bytes);
      if (intact) {
        scan_.end = at;
        whole = scan_.entries.size();
      }
    }
    scan_.entries.resize(whole);
    return std::move(scan_);
  }

 private:
  /// The header at `at`, if it is whole and its record ends within the file.
  Result<std::optional<RecordHeader>> header_at(std::uint64_t at) {
    std::uint8_t bytes[kRecordHeaderBytes];
    auto n = file_.read_at(at, bytes);
    scan_.unreadable |= !n.ok();
    if (!n.ok()) return std::optional<RecordHeader>();
    auto header = decode_record_header(ByteView(bytes, *n), salt_);
    if (header && at + record_bytes(header->bytes) > size_) header.reset();
    return header;
  }

  Result<bool> payload_intact(std::uint64_t at, const RecordHeader& header) {
    payload_.resize(header.bytes);
    const auto n = file_.read_at(at + kRecordHeaderBytes, payload_);
    scan_.unreadable |= !n.ok();
    if (!n.ok()) return false;
    payload_.resize(*n);
    return payload_.size() == header.bytes && crc32c(payload_) == header.payload_crc;
  }

  /// Reads `out`; zeros where the disk cannot. How much there is.
  Result<std::size_t> read_around(std::uint64_t at, std::span<std::uint8_t> out) {
    if (auto n = file_.read_at(at, out); n.ok()) return n;
    scan_.unreadable = true;
    const std::size_t there = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - at));
    for (std::size_t done = 0; done < there;) {
      const std::size_t step = std::min<std::size_t>(there - done, kSectorBytes - (at + done) % kSectorBytes);
      const auto part = out.subspan(done, step);
      if (!file_.read_at(at + done, part).ok()) std::fill(part.begin(), part.end(), 0);
      done += step;
    }
    return there;
  }

  /// The next place at or after `at` with a whole record; a block must also have the hash its name says.
  Result<std::optional<std::uint64_t>> find_whole_record(std::uint64_t at) {
    Bytes window(kWindowBytes);
    while (at + kRecordHeaderBytes <= size_) {
      const std::size_t n = TRY(read_around(at, window));
      std::size_t i = 0;
      for (; i + kAlignment <= n; i += kAlignment) {
        if (!has_record_magic(window.data() + i)) continue;
        auto header = TRY(header_at(at + i));
        if (!header || !TRY(payload_intact(at + i, *header))) continue;
        if (header->kind == RecordKind::kTombstone || block::block_id_matches(header->name.block, payload_))
          return std::optional(at + i);
      }
      if (i == 0) break;
      at += i;
    }
    return std::optional<std::uint64_t>();
  }

  File& file_;
  const std::uint32_t salt_;
  const std::uint64_t size_;
  Scan scan_;
  Bytes payload_;
};

/// A hint that cannot be right is ignored: the segment is read instead.
std::optional<Hint> read_hint(Disk& disk, const std::string& directory, std::uint32_t number, File& file,
                              std::uint64_t file_bytes) {
  const std::string path = hint_path(directory, number);
  if (!disk.exists(path)) return std::nullopt;
  auto refuse = [&](std::string_view why) {
    log_warn("block_store.hint_refused", {{"path", path}, {"reason", why}});
    return std::nullopt;
  };
  auto bytes = read_file(disk, path, kMaxHintBytes);
  if (!bytes.ok()) return refuse(bytes.error().to_string());
  auto hint = decode_hint(*bytes);
  if (!hint.ok()) return refuse(hint.error().to_string());
  if (hint->number != number || hint->covered_bytes > file_bytes) return refuse("is not this segment's");
  if (hint->entries.empty()) return std::move(*hint);
  // One look at the file: a hint of another file with this number would not find its last record there.
  const Entry& last = hint->entries.back();
  std::uint8_t record[kRecordHeaderBytes];
  auto n = file.read_at(last.offset, record);
  if (!n.ok()) return std::move(*hint);   // a bad sector says nothing against it
  auto header = decode_record_header(ByteView(record, *n), hint->salt);
  if (!last.damaged && (!header || !(header->name == last.name))) return refuse("does not fit the segment");
  return std::move(*hint);
}

}  // namespace

Result<Scan> scan_segment(File& file, std::uint32_t salt, std::uint64_t from, std::uint64_t size) {
  return Scanner(file, salt, size).run(from);
}

Result<Contents> read_contents(Disk& disk, const std::string& directory, std::uint32_t number, File& file) {
  Contents contents;
  contents.file_bytes = TRY(file.size());
  std::uint8_t start[kFileHeaderBytes];
  const auto n = file.read_at(0, start);
  auto header = n.ok() ? decode_file_header(ByteView(start, *n), number) : Result<FileHeader>(n.error());
  auto hint = read_hint(disk, directory, number, file, contents.file_bytes);
  if (!header.ok() && !hint) return header.error();
  contents.header = header.ok() ? *header : FileHeader{number, hint->salt};
  if (hint && hint->salt != contents.header.salt) hint.reset();
  std::uint64_t from = kFileHeaderBytes;
  if (hint) {
    contents.hinted_bytes = from = hint->covered_bytes;
    contents.closed = hint->closed;
  }
  const std::uint64_t to = contents.closed ? from : contents.file_bytes;
  contents.scan = TRY(scan_segment(file, contents.header.salt, from, to));
  if (hint) {
    hint->entries.insert(hint->entries.end(), contents.scan.entries.begin(), contents.scan.entries.end());
    contents.scan.entries = std::move(hint->entries);
  }
  return contents;
}

}  // namespace skymoor::server::segment
