#include "shared/block/compress.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace skymoor::block {
namespace {

constexpr int kMaxLevel = 19;  // above, windows and memory grow and nothing else
constexpr std::size_t kSampleBytes = 32 * 1024;
/// Below this compressing is as quick as asking first.
constexpr std::size_t kSampledFrom = 4 * kSampleBytes;

struct FreeContext {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  void operator()(ZSTD_DCtx* d) const { ZSTD_freeDCtx(d); }
};

ZSTD_CCtx* thread_compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* thread_decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  return context.get();
}

/// Compresses into `out`; 0 when it does not fit.
std::size_t compress(ZSTD_CCtx* context, int level, ByteView in, std::span<std::uint8_t> out) {
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, std::clamp(level, 1, kMaxLevel));
  std::size_t n = ZSTD_compress2(context, out.data(), out.size(), in.data(), in.size());
  return ZSTD_isError(n) ? 0 : n;
}

/// True when the start or the middle shrinks by at least 1/32. Media files often begin with a header that shrinks, and
/// archives with one that does not, so that one sample alone would mislead.
bool looks_compressible(ZSTD_CCtx* context, ByteView chunk) {
  thread_local Bytes scratch(kSampleBytes - kSampleBytes / 32);
  return compress(context, 1, chunk.first(kSampleBytes), scratch) != 0 ||
         compress(context, 1, chunk.subspan(chunk.size() / 2, kSampleBytes), scratch) != 0;
}

Error bad_frame(const char* what) { return Error(Code::kCorrupt, std::string("block payload: ") + what); }

}  // namespace

Result<std::size_t> compress_if_smaller(ByteView chunk, int zstd_level, std::span<std::uint8_t> out) {
  ZSTD_CCtx* context = thread_compressor();
  if (!context) return Error(Code::kOutOfMemory, "no memory for a zstd context");
  if (chunk.size() < 2) return std::size_t{0};
  if (chunk.size() >= kSampledFrom && !looks_compressible(context, chunk)) return std::size_t{0};
  // One byte less than the chunk: what does not fit is not smaller.
  return compress(context, zstd_level, chunk, out.first(chunk.size() - 1));
}

Status decompress_exactly(ByteView frame, std::span<std::uint8_t> out) {
  ZSTD_DCtx* context = thread_decompressor();
  if (!context) return Error(Code::kOutOfMemory, "no memory for a zstd context");
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != out.size()) return bad_frame("lies about its size");
  // One frame only: zstd would go on through skippable and further ones.
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return bad_frame("is not one zstd frame");
  const std::size_t n = ZSTD_decompressDCtx(context, out.data(), out.size(), frame.data(), frame.size());
  return n == out.size() ? Status() : bad_frame("does not decompress");
}

}  // namespace skymoor::block
