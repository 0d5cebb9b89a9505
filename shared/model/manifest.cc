#include "shared/model/manifest.h"

#include "shared/model/attributes.h"

namespace skymoor {
namespace {
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kInline = 0, kChunked = 1;
constexpr std::size_t kMaxChunks = 1u << 24;
constexpr std::uint64_t kMaxChunkLength = 4u << 20;
}  // namespace

Bytes encode_manifest(const Manifest& manifest) {
  ByteWriter out;
  out.u8(kVersion);
  out.varint(manifest.size);
  if (manifest.chunks.empty()) {
    out.u8(kInline);
    out.bytes(manifest.inline_data);
    return out.take();
  }
  out.u8(kChunked);
  out.varint(manifest.chunks.size());
  for (const Chunk& chunk : manifest.chunks) {
    out.varint(chunk.length << 1 | (chunk.is_hole() ? 1 : 0));
    if (chunk.is_hole()) continue;
    out.raw(chunk.block.view());
    out.raw(chunk.key);
    out.u32(chunk.stored_bytes);
  }
  return out.take();
}

Result<Manifest> decode_manifest(ByteView bytes) {
  ByteReader in(bytes);
  Manifest manifest;
  if (in.u8() != kVersion) return Error(Code::kCorrupt, "manifest: unknown version");
  manifest.size = in.varint();
  std::uint64_t total = 0;
  switch (in.u8()) {
    case kInline:
      manifest.inline_data = to_bytes(in.bytes(kMaxInlineBytes));
      total = manifest.inline_data.size();
      break;
    case kChunked: {
      std::size_t count = in.count(kMaxChunks);
      manifest.chunks.reserve(std::min<std::size_t>(count, in.remaining()));
      for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        Chunk chunk;
        std::uint64_t head = in.varint();
        chunk.length = head >> 1;
        if (!(head & 1)) {
          ByteView id = in.raw(32), key = in.raw(32);
          chunk.stored_bytes = in.u32();
          if (in.failed()) break;
          std::copy(id.begin(), id.end(), chunk.block.value.begin());
          std::copy(key.begin(), key.end(), chunk.key.begin());
          if (chunk.length > kMaxChunkLength || chunk.is_hole()) in.fail();
        }
        if (chunk.length == 0 || chunk.length > kMaxFileBytes || (total += chunk.length) > kMaxFileBytes) in.fail();
        manifest.chunks.push_back(chunk);
      }
      break;
    }
    default: in.fail();
  }
  TRY(in.finish("manifest"));
  if (total != manifest.size) return Error(Code::kCorrupt, "manifest: lengths do not add up to the size");
  return manifest;
}

}  // namespace skymoor
