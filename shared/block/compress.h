// Compression of one chunk. Private to this room.
#pragma once
#include <span>

#include "shared/base/bytes.h"

namespace skymoor::block {

/// Writes one zstd frame to the front of `out` and returns its size when that is smaller than `chunk`; else 0. Gives up early
/// when samples of a large chunk do not shrink. Needs room for all of the chunk but one byte. Uses one context per thread.
/// Thread-safe. Errors: OutOfMemory.
Result<std::size_t> compress_if_smaller(ByteView chunk, int zstd_level, std::span<std::uint8_t> out);

/// Decompresses exactly one frame to exactly all of `out`. Memory: a fixed context, whatever window the frame asks for,
/// because the output is the window. Errors: Corrupt; what stands in `out` is then of no use.
Status decompress_exactly(ByteView frame, std::span<std::uint8_t> out);

}  // namespace skymoor::block
