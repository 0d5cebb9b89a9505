// Compression of one chunk. Private to this room.
#pragma once
#include <optional>

#include "shared/base/bytes.h"

namespace skymoor::block {

/// Appends one zstd frame to `out` and returns true when that is smaller than `chunk`; else leaves `out` as it was.
/// Gives up early when samples of a large chunk do not shrink. Uses one context per thread. Thread-safe.
/// Errors: OutOfMemory.
Result<bool> compress_if_smaller(ByteView chunk, int zstd_level, Bytes& out);

/// Decompresses exactly one frame to exactly `plain_bytes` appended to `out`. Memory: the output and a fixed context,
/// whatever window the frame asks for, because the output is the window. Errors: Corrupt; `out` is then as it was.
Status decompress_exactly(ByteView frame, std::uint32_t plain_bytes, Bytes& out);

}  // namespace skymoor::block
