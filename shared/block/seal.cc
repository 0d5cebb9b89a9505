#include "shared/block/seal.h"

#include <algorithm>

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
  std::uint32_t plain_bytes = 0;
  Bytes memory;                             ///< room for the header, then the payload
  std::span<std::uint8_t> bytes() { return std::span(memory).subspan(kHeaderBytes); }
};

Result<Payload> payload_of(Bytes chunk_memory, int zstd_level) {
  if (chunk_memory.size() <= kHeaderBytes || chunk_memory.size() > kHeaderBytes + kMaxChunkBytes)
    return Error(Code::kInvalidArgument, "a chunk has 1 byte to 4 MiB");
  Payload payload;
  payload.memory = std::move(chunk_memory);
  const ByteView chunk = payload.bytes();
  payload.plain_bytes = static_cast<std::uint32_t>(chunk.size());
  thread_local Bytes frame;
  if (frame.size() < chunk.size()) frame.resize(chunk.size());
  const std::size_t smaller = TRY(compress_if_smaller(chunk, zstd_level, frame));
  if (smaller == 0) return payload;
  payload.form[1] = kZstd;
  // In memory of its own size: it may be kept for a while.
  Bytes exact;
  exact.reserve(kHeaderBytes + smaller + crypto::kTagBytes);
  exact.resize(kHeaderBytes);
  append(exact, ByteView(frame).first(smaller));
  payload.memory = std::move(exact);
  return payload;
}

void seal_payload(ByteView volume_block_key, Payload& payload, const Hash256& hash, SealedBlock& block) {
  ByteWriter header;
  header.raw(payload.form);
  header.u32(payload.plain_bytes);
  block.key = crypto::hmac_sha256(volume_block_key, {hash.view()}).value;
  std::copy(header.view().begin(), header.view().end(), payload.memory.begin());
  const auto tag = crypto::gcm_seal_in_place(block.key, kNonce, header.view(), payload.bytes());
  append(payload.memory, tag);
  block.bytes = std::move(payload.memory);
}

/// What a sealed block says of itself, checked against what its manifest says.
struct Header {
  std::uint8_t codec = kRaw;
  std::array<std::uint8_t, kHeaderBytes> raw{};
};

/// `begin`: what there is of the block in one piece from its first byte on.
Result<Header> parse_header(ByteView begin, std::size_t sealed_bytes, std::uint32_t plain_bytes) {
  if (plain_bytes == 0 || plain_bytes > kMaxChunkBytes) return corrupt("is said to have an impossible length");
  if (sealed_bytes < kHeaderBytes + crypto::kTagBytes + 1 || sealed_bytes > kMaxBlockBytes || begin.size() < kHeaderBytes)
    return corrupt("has an impossible size");
  ByteReader in(begin);
  if (in.u8() != kVersion) return corrupt("is of an unknown version");
  Header header;
  header.codec = in.u8();
  if (header.codec != kRaw && header.codec != kZstd) return corrupt("is of an unknown codec");
  if (in.u32() != plain_bytes) return corrupt("lies about its length");
  std::copy_n(begin.begin(), kHeaderBytes, header.raw.begin());
  if (header.codec == kRaw && sealed_bytes != kHeaderBytes + plain_bytes + crypto::kTagBytes)
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
  std::vector<Bytes> copies;
  for (ByteView chunk : chunks) {
    Bytes& copy = copies.emplace_back();
    copy.reserve(kSealFront + chunk.size() + kSealBehind);
    copy.resize(kSealFront);
    append(copy, chunk);
  }
  return seal_in_place(volume_block_key, copies, zstd_level);
}

Result<std::vector<SealedBlock>> seal_in_place(ByteView volume_block_key, std::span<Bytes> chunks, int zstd_level) {
  static_assert(kSealFront == kHeaderBytes && kSealBehind == crypto::kTagBytes);
  std::vector<Payload> payloads;
  std::vector<crypto::HashedMessage> messages;
  payloads.reserve(chunks.size());  // messages point into them
  for (Bytes& chunk : chunks) {
    Payload& payload = payloads.emplace_back(TRY(payload_of(std::move(chunk), zstd_level)));
    messages.push_back({payload.form, payload.bytes()});
  }
  const std::vector<Hash256> hashes = crypto::sha256_each(messages);
  std::vector<SealedBlock> blocks(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    seal_payload(volume_block_key, payloads[i], hashes[i], blocks[i]);
    messages[i] = {{}, blocks[i].bytes};
  }
  const std::vector<Hash256> ids = crypto::sha256_each(messages);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].id = BlockId{ids[i].value};
  return blocks;
}

Status open_block(const BlockId& id, const BlockKey& key, ByteView sealed, std::uint32_t plain_bytes, Bytes& out) {
  const Header header = TRY(parse_header(sealed, sealed.size(), plain_bytes));
  if (!block_id_matches(id, sealed)) return corrupt("is not the one its id names");
  const ByteView ciphertext = sealed.subspan(kHeaderBytes);
  if (header.codec == kRaw) return crypto::gcm_open(key, kNonce, header.raw, ciphertext, out);
  Bytes payload;
  payload.reserve(ciphertext.size());
  TRY(crypto::gcm_open(key, kNonce, header.raw, ciphertext, payload));
  const std::size_t before = out.size();
  out.resize(before + plain_bytes);
  Status done = decompress_exactly(payload, std::span(out).subspan(before));
  if (!done.ok()) out.resize(before);
  return done;
}

Result<std::vector<ByteView>> open_in_place(const BlockKey& key, std::span<const std::span<std::uint8_t>> sealed,
                                            std::uint32_t plain_bytes, Bytes& scratch) {
  std::size_t size = 0;
  for (std::span<std::uint8_t> part : sealed) size += part.size();
  const Header header = TRY(parse_header(sealed.empty() ? ByteView() : sealed.front(), size, plain_bytes));
  std::vector<std::span<std::uint8_t>> parts(sealed.begin(), sealed.end());
  parts.front() = parts.front().subspan(kHeaderBytes);
  TRY(crypto::gcm_open_in_place(key, kNonce, header.raw, parts));
  std::vector<ByteView> payload;
  std::size_t left = size - kHeaderBytes - crypto::kTagBytes;
  for (std::span<std::uint8_t> part : parts) {
    const std::size_t n = std::min(left, part.size());
    if (n > 0) payload.push_back(part.first(n));
    left -= n;
  }
  if (header.codec == kRaw) return payload;
  Bytes joined;   // zstd wants its frame in one piece
  if (payload.size() > 1) {
    joined.reserve(size);
    for (ByteView part : payload) append(joined, part);
    payload = {joined};
  }
  if (scratch.size() < plain_bytes) scratch.resize(plain_bytes);
  TRY(decompress_exactly(payload.front(), std::span(scratch).first(plain_bytes)));
  return std::vector<ByteView>{ByteView(scratch).first(plain_bytes)};
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
