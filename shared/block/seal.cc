#include "shared/block/seal.h"

#include "shared/block/compress.h"
#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"

namespace skymoor::block {
namespace {

constexpr std::uint8_t kVersion = 1;
enum Codec : std::uint8_t { kRaw = 0, kZstd = 1 };
constexpr std::size_t kHeaderBytes = 6;  // version 1, codec 1, plain length 4
/// Safe to repeat because every key seals exactly one byte string: it is a PRF of what it seals.
constexpr std::array<std::uint8_t, 12> kNonce{};

Error corrupt(const char* what) { return Error(Code::kCorrupt, std::string("block ") + what); }

BlockKey derive_key(ByteView volume_block_key, std::uint8_t codec, ByteView payload) {
  const std::uint8_t form[2] = {kVersion, codec};
  Hash256 h = crypto::sha256({ByteView(form), payload});
  return crypto::hmac_sha256(volume_block_key, {h.view()}).value;
}

/// What a sealed block says of itself, checked against what its manifest says.
struct Header {
  std::uint8_t codec = kRaw;
  ByteView raw;
  ByteView ciphertext;
};

Result<Header> parse_header(ByteView sealed, std::uint32_t plain_bytes) {
  if (sealed.size() < kHeaderBytes + crypto::kTagBytes + 1 || sealed.size() > kMaxBlockBytes)
    return corrupt("has an impossible size");
  ByteReader in(sealed);
  if (in.u8() != kVersion) return corrupt("is of an unknown version");
  Header header;
  header.codec = in.u8();
  if (header.codec != kRaw && header.codec != kZstd) return corrupt("is of an unknown codec");
  if (in.u32() != plain_bytes) return corrupt("lies about its length");
  header.raw = sealed.first(kHeaderBytes);
  header.ciphertext = sealed.subspan(kHeaderBytes);
  if (header.codec == kRaw && header.ciphertext.size() != plain_bytes + crypto::kTagBytes)
    return corrupt("lies about its length");
  return header;
}

}  // namespace

Result<SealedBlock> seal_block(ByteView volume_block_key, ByteView chunk, int zstd_level) {
  if (chunk.empty() || chunk.size() > kMaxChunkBytes)
    return Error(Code::kInvalidArgument, "a chunk has 1 byte to 4 MiB");
  Bytes compressed;
  bool smaller = TRY(compress_if_smaller(chunk, zstd_level, compressed));
  const std::uint8_t codec = smaller ? kZstd : kRaw;
  const ByteView payload = smaller ? ByteView(compressed) : chunk;

  ByteWriter header;
  header.u8(kVersion);
  header.u8(codec);
  header.u32(static_cast<std::uint32_t>(chunk.size()));

  SealedBlock block;
  block.key = derive_key(volume_block_key, codec, payload);
  block.bytes.reserve(kHeaderBytes + payload.size() + crypto::kTagBytes);
  append(block.bytes, header.view());
  crypto::gcm_seal(block.key, kNonce, header.view(), payload, block.bytes);
  block.id = BlockId{crypto::sha256(block.bytes).value};
  return block;
}

Status open_block(const BlockId& id, const BlockKey& key, ByteView sealed, std::uint32_t plain_bytes, Bytes& out) {
  if (plain_bytes == 0 || plain_bytes > kMaxChunkBytes) return corrupt("is said to have an impossible length");
  Header header = TRY(parse_header(sealed, plain_bytes));
  if (!block_id_matches(id, sealed)) return corrupt("is not the one its id names");
  if (header.codec == kRaw) return crypto::gcm_open(key, kNonce, header.raw, header.ciphertext, out);
  Bytes payload;
  payload.reserve(header.ciphertext.size());
  TRY(crypto::gcm_open(key, kNonce, header.raw, header.ciphertext, payload));
  return decompress_exactly(payload, plain_bytes, out);
}

bool block_id_matches(const BlockId& id, ByteView sealed) { return crypto::sha256(sealed).value == id.value; }

}  // namespace skymoor::block
