// Block = seal(compress(chunk)): the unit that is deduplicated, transferred and stored.
#pragma once
#include <span>
#include <vector>

#include "shared/base/ids.h"
#include "shared/crypto/secret.h"

namespace skymoor::block {

inline constexpr std::uint32_t kMaxChunkBytes = 4 * 1024 * 1024;
/// A sealed block's largest size: header, a chunk that does not compress, tag.
inline constexpr std::uint32_t kMaxBlockBytes = kMaxChunkBytes + 64;

using BlockKey = std::array<std::uint8_t, 32>;

struct SealedBlock {
  BlockId id;      ///< SHA-256 of `bytes`
  BlockKey key;    ///< opens it; kept in the manifest
  Bytes bytes;     ///< what travels and is stored: version, codec, plain length, ciphertext, tag
};

/// Compresses (zstd when that shrinks it) and seals a chunk of 1 to kMaxChunkBytes. Deterministic for one volume key.
/// h = SHA-256(version|codec|payload), key = HMAC(K_conv, h), AES-256-GCM with nonce 0. Thread-safe.
Result<SealedBlock> seal_block(ByteView volume_block_key, ByteView chunk, int zstd_level = 1);

/// The same for several chunks: their hashes, most of the work, take half the time together.
Result<std::vector<SealedBlock>> seal_blocks(ByteView volume_block_key, std::span<const ByteView> chunks,
                                             int zstd_level = 1);
/// The same where the chunks lie, each behind `kSealFront` bytes of no meaning: a chunk that does not compress becomes its
/// block in the memory it has, which is best made with `kSealBehind` bytes to spare. `chunks` is used up.
inline constexpr std::size_t kSealFront = 6, kSealBehind = 16;
Result<std::vector<SealedBlock>> seal_in_place(ByteView volume_block_key, std::span<Bytes> chunks, int zstd_level = 1);

/// Checks the id, authenticates, decompresses to exactly `plain_bytes` and appends to `out`.
/// Errors: Corrupt (any bit differs, lies about its size); nothing is appended then.
Status open_block(const BlockId& id, const BlockKey& key, ByteView sealed, std::uint32_t plain_bytes, Bytes& out);
/// The same where the block lies, in one piece or several (none shorter than the header but the last), and by its key alone:
/// the id is not compared. The tag proves that somebody who has the key sealed exactly this (BLOCK.md, "What a reader
/// checks"). The plaintext, in pieces, stands where the block lay, or in `scratch` if it was compressed.
/// Errors: Corrupt; what lay in `sealed` may be wiped then.
Result<std::vector<ByteView>> open_in_place(const BlockKey& key, std::span<const std::span<std::uint8_t>> sealed,
                                            std::uint32_t plain_bytes, Bytes& scratch);

/// id == SHA-256(sealed); what servers and scrub can check without a key.
bool block_id_matches(const BlockId& id, ByteView sealed);
/// The same for several blocks in half the time: one flag for each.
struct NamedBlock {
  BlockId id;
  ByteView sealed;
};
std::vector<bool> block_ids_match(std::span<const NamedBlock> blocks);

}  // namespace skymoor::block
