// Format of a log segment: its header and the frames that records and notes stand in. Format: JOURNAL.md.
#pragma once
#include <optional>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/base/ids.h"

namespace skymoor::client {

inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kFrameHeaderBytes = 16;
/// A note may carry a whole manifest, so frames may be longer than records.
inline constexpr std::size_t kMaxFramePayload = 64u << 20;

struct SegmentHeader {
  VolumeId volume;
  WriterId writer;
  Lsn first;          ///< lsn of the first record
  Timestamp created{};
};
Bytes encode_segment_header(const SegmentHeader& header);
/// Errors: Corrupt (not a segment, damaged, or a newer format).
Result<SegmentHeader> decode_segment_header(ByteView bytes);
/// Every frame's checksum starts from its segment's own: bytes of one segment are no frames of another, and file data
/// inside a record cannot be made to look like a frame without knowing the header.
std::uint32_t frame_seed(ByteView header);

std::string segment_name(Lsn first);                         ///< "log-" and 16 hex digits
std::optional<Lsn> parse_segment_name(std::string_view name);

/// Persistent numbers.
enum class FrameKind : std::uint8_t {
  kRecord = 1,  ///< an operation: encode_record
  kNote = 2,    ///< row changes without an operation of their own; carries the lsn of the record before it
};

struct LogFrame {
  FrameKind kind = FrameKind::kRecord;
  Lsn lsn;
  std::uint64_t transaction = 0;  ///< the record was made on a tree that includes this transaction of metadata.db
  Lsn synced;                     ///< records up to here were known to be on the disk when this was written
  ByteView body;
  std::size_t frame_bytes = 0;    ///< header and payload
};

/// Starts a frame in `out`, which is cleared: the body is appended behind it, then `seal_frame` fills in the rest.
void start_frame(ByteWriter& out, const LogFrame& frame);
void seal_frame(ByteWriter& out, std::uint32_t seed);

/// The frame at the start of `bytes`; nothing if it is incomplete, damaged or not a frame. `needed_bytes`, when given,
/// is set to how long the input must be for a decision, if it is too short for one.
std::optional<LogFrame> parse_frame(ByteView bytes, std::uint32_t seed, std::size_t* needed_bytes = nullptr);

/// Reads a segment's frames one after the other through a buffer. Not thread-safe; does not own the file.
class SegmentReader {
 public:
  SegmentReader(File& file, std::uint32_t seed, std::uint64_t offset, std::uint64_t end)
      : file_(file), seed_(seed), offset_(offset), end_(end) {}
  /// The next frame, valid until the next call; nothing at the end or at the first byte that is not a frame.
  Result<std::optional<LogFrame>> next();
  std::uint64_t offset() const { return offset_; }  ///< of the next frame
  bool at_end() const { return offset_ >= end_; }

 private:
  Status fill(std::size_t bytes);

  File& file_;
  const std::uint32_t seed_;
  std::uint64_t offset_;       // of the first byte not yet handed out
  const std::uint64_t end_;
  Bytes buffer_;
  std::size_t at_ = 0;         // of offset_ in buffer_
};

}  // namespace skymoor::client
