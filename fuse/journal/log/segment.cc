#include "fuse/journal/log/segment.h"

#include <algorithm>

#include "shared/model/codec.h"

namespace skymoor::client {
namespace {

constexpr std::string_view kMagic = "SKYMOPLG";
constexpr std::uint32_t kSegmentFormat = 1;
constexpr std::size_t kChecksumAt = kSegmentHeaderBytes - 4;
constexpr std::size_t kReadAhead = 256 * 1024;
constexpr std::string_view kNamePrefix = "log-";

std::uint32_t le32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) | static_cast<std::uint32_t>(p[1]) << 8 |
         static_cast<std::uint32_t>(p[2]) << 16 | static_cast<std::uint32_t>(p[3]) << 24;
}

// Over length, lsn and payload: all of the frame but the checksum itself.
std::uint32_t frame_checksum(ByteView frame, std::uint32_t seed) {
  return crc32c(frame.subspan(8), crc32c(frame.first(4), seed));
}

}  // namespace

Bytes encode_segment_header(const SegmentHeader& header) {
  ByteWriter out;
  out.raw(as_bytes(kMagic));
  out.u32(kSegmentFormat);
  out.u32(kSegmentHeaderBytes);
  codec::put(out, header.volume);
  out.u32(header.writer.value);
  codec::put(out, header.first);
  codec::put(out, header.created);
  out.u64(0);  // reserved
  out.u32(crc32c(out.view()));
  return out.take();
}

Result<SegmentHeader> decode_segment_header(ByteView bytes) {
  if (bytes.size() < kSegmentHeaderBytes || as_text(bytes.first(kMagic.size())) != kMagic)
    return Error(Code::kCorrupt, "not a log segment");
  ByteReader in(bytes.first(kSegmentHeaderBytes));
  SegmentHeader header;
  in.raw(kMagic.size());
  std::uint32_t format = in.u32();
  in.u32();
  codec::get(in, header.volume);
  header.writer = WriterId{in.u32()};
  codec::get(in, header.first);
  codec::get(in, header.created);
  in.u64();
  if (in.u32() != crc32c(bytes.first(kChecksumAt))) return Error(Code::kCorrupt, "damaged segment header");
  if (format > kSegmentFormat) return Error(Code::kCorrupt, "made by a newer version of this program");
  TRY(in.finish("segment header"));
  return header;
}

std::uint32_t frame_seed(ByteView header) { return le32(header.data() + kChecksumAt); }

std::string segment_name(Lsn first) {
  char text[32];
  std::snprintf(text, sizeof text, "log-%016llx", static_cast<unsigned long long>(first.value));
  return text;
}

std::optional<Lsn> parse_segment_name(std::string_view name) {
  if (name.size() != kNamePrefix.size() + 16 || !name.starts_with(kNamePrefix)) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : name.substr(kNamePrefix.size())) {
    bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return Lsn{value};
}

void start_frame(ByteWriter& out, const LogFrame& frame) {
  out.clear();
  out.u64(0);  // length and checksum: see seal_frame
  out.u64(frame.lsn.value);
  out.u8(static_cast<std::uint8_t>(frame.kind));
  out.varint(frame.transaction);
  out.varint(frame.lsn.value - frame.synced.value);
}

void seal_frame(ByteWriter& out, std::uint32_t seed) {
  out.patch_u32(0, static_cast<std::uint32_t>(out.size() - kFrameHeaderBytes));
  out.patch_u32(4, frame_checksum(out.view(), seed));
}

std::optional<LogFrame> parse_frame(ByteView bytes, std::uint32_t seed, std::size_t* needed_bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    if (needed_bytes) *needed_bytes = kFrameHeaderBytes;
    return std::nullopt;
  }
  std::size_t payload = le32(bytes.data());
  if (payload == 0 || payload > kMaxFramePayload) return std::nullopt;
  std::size_t total = kFrameHeaderBytes + payload;
  if (bytes.size() < total) {
    if (needed_bytes) *needed_bytes = total;
    return std::nullopt;
  }
  ByteView whole = bytes.first(total);
  if (le32(bytes.data() + 4) != frame_checksum(whole, seed)) return std::nullopt;
  ByteReader in(whole.subspan(8));
  LogFrame frame;
  frame.lsn = Lsn{in.u64()};
  std::uint8_t kind = in.u8();
  frame.transaction = in.varint();
  std::uint64_t behind = in.varint();
  if (in.failed() || kind < 1 || kind > 2 || behind > frame.lsn.value) return std::nullopt;
  frame.kind = static_cast<FrameKind>(kind);
  frame.synced = Lsn{frame.lsn.value - behind};
  frame.body = whole.subspan(8 + in.position());
  frame.frame_bytes = total;
  return frame;
}

Status SegmentReader::fill(std::size_t bytes) {
  std::size_t have = buffer_.size() - at_;
  std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(bytes, kReadAhead), end_ - offset_));
  if (want <= have) return {};
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  buffer_.resize(want);
  std::size_t got = TRY(file_.read_at(offset_ + have, std::span(buffer_).subspan(have)));
  buffer_.resize(have + got);
  return {};
}

Result<std::optional<LogFrame>> SegmentReader::next() {
  std::size_t needed = kFrameHeaderBytes;
  for (;;) {
    if (buffer_.size() - at_ < needed) TRY(fill(needed));
    ByteView rest = ByteView(buffer_).subspan(at_);
    std::size_t more = 0;
    std::optional<LogFrame> frame = parse_frame(rest, seed_, &more);
    if (frame) {
      at_ += frame->frame_bytes;
      offset_ += frame->frame_bytes;
      return frame;
    }
    // Too short for a decision, and the file has more: read on. Else this is the end, or damage.
    if (more <= needed && rest.size() >= needed) return std::optional<LogFrame>{};
    if (more <= rest.size() || more > end_ - offset_) return std::optional<LogFrame>{};
    needed = more;
  }
}

}  // namespace skymoor::client
