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

/// A chunk as it is sealed.
struct Payload {
  std::uint8_t form[2] = {kVersion, kRaw};  ///< version, codec
  Bytes compressed;
  ByteView bytes;                           ///< `compressed`, or the chunk
};

Result<Payload> payload_of(ByteView chunk, int zstd_level) {
  if (chunk.empty() || chunk.size() > kMaxChunkBytes)
    return Error(Code::kInvalidArgument, "a chunk has 1 byte to 4 MiB");
  Payload payload;
  const bool smaller = TRY(compress_if_smaller(chunk, zstd_level, payload.compressed));
  if (smaller) payload.form[1] = kZstd;
  payload.bytes = smaller ? ByteView(payload.compressed) : chunk;
  return payload;
}

void seal_payload(ByteView volume_block_key, const Payload& payload, std::size_t plain_bytes, const Hash256& hash,
                  SealedBlock& block) {
  ByteWriter header;
  header.raw(payload.form);
  header.u32(static_cast<std::uint32_t>(plain_bytes));
  block.key = crypto::hmac_sha256(volume_block_key, {hash.view()}).value;
  block.bytes.reserve(kHeaderBytes + payload.bytes.size() + crypto::kTagBytes);
  append(block.bytes, header.view());
  crypto::gcm_seal(block.key, kNonce, header.view(), payload.bytes, block.bytes);
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
  auto blocks = TRY(seal_blocks(volume_block_key, {&chunk, 1}, zstd_level));
  return std::move(blocks.front());
}

Result<std::vector<SealedBlock>> seal_blocks(ByteView volume_block_key, std::span<const ByteView> chunks,
                                             int zstd_level) {
  std::vector<Payload> payloads;
  payloads.reserve(chunks.size());  // messages point into them
  std::vector<crypto::HashedMessage> messages;
  for (ByteView chunk : chunks) {
    const Payload& payload = payloads.emplace_back(TRY(payload_of(chunk, zstd_level)));
    messages.push_back({payload.form, payload.bytes});
  }
  const std::vector<Hash256> hashes = crypto::sha256_each(messages);
  std::vector<SealedBlock> blocks(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    seal_payload(volume_block_key, payloads[i], chunks[i].size(), hashes[i], blocks[i]);
    messages[i] = {{}, blocks[i].bytes};
  }
  const std::vector<Hash256> ids = crypto::sha256_each(messages);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].id = BlockId{ids[i].value};
  return blocks;
}

Status open_block(const BlockId& id, const BlockKey& key, ByteView sealed, std::uint32_t plain_bytes, Bytes& out) {
  if (plain_bytes == 0 || plain_bytes > kMaxChunkBytes) return corrupt("is said to have an impossible length");
  const Header header = TRY(parse_header(sealed, plain_bytes));
  if (!block_id_matches(id, sealed)) return corrupt("is not the one its id names");
  if (header.codec == kRaw) return crypto::gcm_open(key, kNonce, header.raw, header.ciphertext, out);
  Bytes payload;
  payload.reserve(header.ciphertext.size());
  TRY(crypto::gcm_open(key, kNonce, header.raw, header.ciphertext, payload));
  return decompress_exactly(payload, plain_bytes, out);
}

Result<ByteView> open_checked_block(const BlockKey& key, std::span<std::uint8_t> sealed, std::uint32_t plain_bytes,
                                    Bytes& scratch) {
  if (plain_bytes == 0 || plain_bytes > kMaxChunkBytes) return corrupt("is said to have an impossible length");
  const Header header = TRY(parse_header(sealed, plain_bytes));
  TRY(crypto::gcm_open_in_place(key, kNonce, header.raw, sealed.subspan(kHeaderBytes)));
  const ByteView payload = ByteView(sealed).subspan(kHeaderBytes, header.ciphertext.size() - crypto::kTagBytes);
  if (header.codec == kRaw) return payload;
  scratch.clear();
  TRY(decompress_exactly(payload, plain_bytes, scratch));
  return ByteView(scratch);
}

bool block_id_matches(const BlockId& id, ByteView sealed) { return crypto::sha256(sealed).value == id.value; }

std::vector<bool> block_ids_match(std::span<const NamedBlock> blocks) {
  std::vector<crypto::HashedMessage> messages;
  messages.reserve(blocks.size());
  for (const NamedBlock& block : blocks) messages.push_back({{}, block.sealed});
  const std::vector<Hash256> ids = crypto::sha256_each(messages);
  std::vector<bool> match(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) match[i] = ids[i].value == blocks[i].id.value;
  return match;
}

}  // namespace skymoor::block
