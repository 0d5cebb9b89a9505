#include "shared/block/seal.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "shared/crypto/aead.h"
#include "shared/crypto/hash.h"
#include "tests/unit/shared_block/random_bytes.h"

namespace skymoor::block {
namespace {

const Bytes kVolumeKey(32, 3);
const std::array<std::uint8_t, 12> kNonce{};

SealedBlock must_seal(ByteView chunk, int level = 1) {
  auto sealed = seal_block(kVolumeKey, chunk, level);
  EXPECT_TRUE(sealed.ok());
  return std::move(*sealed);
}

Status open(const SealedBlock& block, std::uint32_t plain_bytes, Bytes& out) {
  return open_block(block.id, block.key, block.bytes, plain_bytes, out);
}

/// A block as a hostile member with the volume's key could make it: any header, any payload, and an id that matches.
SealedBlock forge(std::uint8_t version, std::uint8_t codec, std::uint32_t length, ByteView payload) {
  ByteWriter header;
  header.u8(version);
  header.u8(codec);
  header.u32(length);
  SealedBlock block;
  block.key.fill(9);
  block.bytes = header.view();
  crypto::gcm_seal(block.key, kNonce, header.view(), payload, block.bytes);
  block.id = BlockId{crypto::sha256(block.bytes).value};
  return block;
}

Bytes zstd_frame(ByteView plain, int level = 1) {
  Bytes frame(ZSTD_compressBound(plain.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), level));
  return frame;
}

void expect_rejected(const SealedBlock& block, std::uint32_t plain_bytes) {
  Bytes out = to_bytes("kept");
  auto status = open(block, plain_bytes, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
  EXPECT_EQ(as_text(out), "kept");
}

TEST(SealedBlock, RoundTripsEverySizeAndKind) {
  for (std::size_t size : {1u, 2u, 3u, 100u, 4096u, 131071u, 131072u, 1u << 20, (4u << 20) - 1, 4u << 20})
    for (bool text : {false, true}) {
      Bytes chunk = text ? text_bytes(size, size) : random_bytes(size, size);
      SealedBlock block = must_seal(chunk);
      EXPECT_LE(block.bytes.size(), size + 22);
      EXPECT_LE(block.bytes.size(), kMaxBlockBytes);
      EXPECT_TRUE(block_id_matches(block.id, block.bytes));
      Bytes out = to_bytes("before");
      ASSERT_TRUE(open(block, static_cast<std::uint32_t>(size), out).ok()) << size;
      EXPECT_EQ(out.size(), size + 6);
      EXPECT_TRUE(std::equal(chunk.begin(), chunk.end(), out.begin() + 6));
    }
}

TEST(SealedBlock, CompressesWhatShrinksAndStoresTheRestRaw) {
  Bytes text = text_bytes(1 << 20, 1), noise = random_bytes(1 << 20, 1);
  EXPECT_LT(must_seal(text).bytes.size(), text.size() / 2);
  EXPECT_EQ(must_seal(text).bytes[1], 1);
  EXPECT_EQ(must_seal(noise).bytes.size(), noise.size() + 22);
  EXPECT_EQ(must_seal(noise).bytes[1], 0);
}

TEST(SealedBlock, AnIncompressibleStartDoesNotHideACompressibleRest) {
  Bytes chunk = random_bytes(64 * 1024, 1);
  append(chunk, text_bytes(1 << 20, 2));
  EXPECT_LT(must_seal(chunk).bytes.size(), chunk.size() / 2);
}

TEST(SealedBlock, EqualChunksGiveEqualBlocksUnderOneKeyAndOthersUnderAnother) {
  Bytes chunk = text_bytes(300'000, 3), other_key(32, 4);
  SealedBlock a = must_seal(chunk), b = must_seal(chunk);
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.bytes, b.bytes);
  auto c = seal_block(other_key, chunk);
  ASSERT_TRUE(c.ok());
  EXPECT_NE(a.id, c->id);
  EXPECT_NE(a.key, c->key);
}

TEST(SealedBlock, SeveralAtOnceAreSealedAsEachAlone) {
  std::vector<Bytes> chunks{random_bytes(300'000, 1), text_bytes(1 << 20, 2), random_bytes(1, 3), text_bytes(5000, 4),
                            random_bytes(2 << 20, 5)};
  for (std::size_t count = 0; count <= chunks.size(); ++count) {
    const std::vector<ByteView> views(chunks.begin(), chunks.begin() + static_cast<std::ptrdiff_t>(count));
    auto together = seal_blocks(kVolumeKey, views);
    ASSERT_TRUE(together.ok());
    ASSERT_EQ(together->size(), count);
    std::vector<NamedBlock> named;
    for (std::size_t i = 0; i < count; ++i) {
      const SealedBlock alone = must_seal(chunks[i]), &block = (*together)[i];
      EXPECT_EQ(block.id, alone.id);
      EXPECT_EQ(block.key, alone.key);
      EXPECT_EQ(block.bytes, alone.bytes);
      named.push_back({block.id, block.bytes});
    }
    EXPECT_EQ(block_ids_match(named), std::vector<bool>(count, true));
    for (std::size_t bad = 0; bad < count; ++bad) {
      Bytes damaged = (*together)[bad].bytes;
      damaged[damaged.size() / 2] ^= 1;
      std::vector<NamedBlock> claimed = named;
      claimed[bad].sealed = damaged;
      std::vector<bool> expected(count, true);
      expected[bad] = false;
      EXPECT_EQ(block_ids_match(claimed), expected);
    }
  }
  EXPECT_EQ(seal_blocks(kVolumeKey, std::vector<ByteView>{chunks[0], {}}).error().code(), Code::kInvalidArgument);
}

using Parts = std::vector<std::span<std::uint8_t>>;

Bytes joined(const std::vector<ByteView>& pieces) {
  Bytes all;
  for (ByteView piece : pieces) append(all, piece);
  return all;
}

TEST(SealedBlock, ABlockIsOpenedWhereItLiesInHoweverManyPieces) {
  for (bool text : {false, true}) {
    const Bytes chunk = text ? text_bytes(300'000, 3) : random_bytes(300'000, 3);
    const SealedBlock block = must_seal(chunk);
    const std::size_t size = block.bytes.size();
    Bytes scratch = to_bytes("old");
    // The tag lies in the last piece, in the last two, or the last three; pieces begin within a block of the cipher.
    for (const std::vector<std::size_t>& cuts :
         {std::vector<std::size_t>{}, {6}, {7, 4096}, {1000, size - 16}, {100, size - 10}, {6, 5000, size - 20, size - 15, size - 1}}) {
      Bytes place = block.bytes;
      Parts parts;
      std::size_t begin = 0;
      for (std::size_t cut : cuts) {
        parts.emplace_back(place.data() + begin, cut - begin);
        begin = cut;
      }
      parts.emplace_back(place.data() + begin, size - begin);
      auto plain = open_in_place(block.key, parts, 300'000, scratch);
      ASSERT_TRUE(plain.ok()) << cuts.size();
      EXPECT_EQ(joined(*plain), chunk) << cuts.size();
    }
  }
}

TEST(SealedBlock, WhatIsOpenedByItsKeyAloneIsAuthenticated) {
  for (bool text : {false, true}) {
    const Bytes chunk = text ? text_bytes(300'000, 3) : random_bytes(300'000, 3);
    const SealedBlock block = must_seal(chunk);
    Bytes scratch;
    auto code_at = [&](const BlockKey& key, std::size_t flipped, std::uint32_t plain_bytes) {
      Bytes place = block.bytes;
      place[flipped] ^= 1;
      const Parts parts{std::span(place).first(100), std::span(place).subspan(100)};
      return open_in_place(key, parts, plain_bytes, scratch).error().code();
    };
    for (std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{6}, block.bytes.size() / 2,
                           block.bytes.size() - 1})
      EXPECT_EQ(code_at(block.key, at, 300'000), Code::kCorrupt) << at;
    Bytes place = block.bytes;
    const Parts whole{place};
    EXPECT_EQ(open_in_place(block.key, whole, 299'999, scratch).error().code(), Code::kCorrupt);
    EXPECT_EQ(open_in_place(must_seal(random_bytes(300'000, 4)).key, whole, 300'000, scratch).error().code(), Code::kCorrupt);
    EXPECT_EQ(open_in_place(block.key, Parts{}, 300'000, scratch).error().code(), Code::kCorrupt);
    EXPECT_EQ(open_in_place(block.key, Parts{std::span(place).first(3)}, 300'000, scratch).error().code(), Code::kCorrupt);
  }
}

TEST(SealedBlock, TheKeyCoversCodecAndPayload) {
  // Under one key GCM with a fixed nonce must never seal two different strings: another level is another payload.
  Bytes chunk = text_bytes(300'000, 3);
  SealedBlock a = must_seal(chunk, 1), b = must_seal(chunk, 9);
  ASSERT_NE(a.bytes, b.bytes);
  EXPECT_NE(a.key, b.key);
}

TEST(SealedBlock, RefusesEmptyAndOversizedChunks) {
  EXPECT_EQ(seal_block(kVolumeKey, {}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(seal_block(kVolumeKey, Bytes(kMaxChunkBytes + 1)).error().code(), Code::kInvalidArgument);
}

TEST(SealedBlock, EveryBitFlipIsRejected) {
  for (bool text : {false, true}) {
    Bytes chunk = text ? text_bytes(5000, 5) : random_bytes(300, 5);
    SealedBlock block = must_seal(chunk);
    for (std::size_t bit = 0; bit < block.bytes.size() * 8; bit += text ? 7 : 1) {
      block.bytes[bit / 8] ^= 1 << bit % 8;
      expect_rejected(block, static_cast<std::uint32_t>(chunk.size()));
      // An id made to match, as a hostile server would: the tag still protects all of it.
      SealedBlock renamed = block;
      renamed.id = BlockId{crypto::sha256(block.bytes).value};
      expect_rejected(renamed, static_cast<std::uint32_t>(chunk.size()));
      block.bytes[bit / 8] ^= 1 << bit % 8;
    }
    for (std::size_t bit = 0; bit < 256; bit += 5) {
      SealedBlock wrong = block;
      wrong.key[bit / 8] ^= 1 << bit % 8;
      expect_rejected(wrong, static_cast<std::uint32_t>(chunk.size()));
      wrong = block;
      wrong.id.value[bit / 8] ^= 1 << bit % 8;
      expect_rejected(wrong, static_cast<std::uint32_t>(chunk.size()));
    }
  }
}

TEST(SealedBlock, EveryTruncationAndExtensionIsRejected) {
  Bytes chunk = random_bytes(500, 6);
  SealedBlock block = must_seal(chunk);
  for (std::size_t size = 0; size < block.bytes.size(); ++size) {
    SealedBlock cut = block;
    cut.bytes.resize(size);
    cut.id = BlockId{crypto::sha256(cut.bytes).value};
    expect_rejected(cut, 500);
  }
  block.bytes.push_back(0);
  block.id = BlockId{crypto::sha256(block.bytes).value};
  expect_rejected(block, 500);
}

TEST(SealedBlock, LyingLengthsAreRejected) {
  Bytes chunk = text_bytes(10'000, 7);
  SealedBlock block = must_seal(chunk);
  for (std::uint32_t length : {0u, 1u, 9'999u, 10'001u, kMaxChunkBytes, kMaxChunkBytes + 1, 0xffffffffu})
    expect_rejected(block, length);
  Bytes frame = zstd_frame(chunk);
  ASSERT_TRUE([&] { Bytes out; return open(forge(1, 1, 10'000, frame), 10'000, out).ok(); }());
  expect_rejected(forge(1, 1, 9'999, frame), 9'999);     // the frame holds more than the header says
  expect_rejected(forge(1, 1, 10'001, frame), 10'001);   // ... or less
  expect_rejected(forge(1, 0, 9'999, chunk), 9'999);     // raw of another length
  expect_rejected(forge(2, 1, 10'000, frame), 10'000);   // version
  expect_rejected(forge(1, 2, 10'000, frame), 10'000);   // codec
  expect_rejected(forge(1, 1, 10'000, chunk), 10'000);   // not a frame
}

TEST(SealedBlock, MoreThanOneFrameIsRejected) {
  Bytes chunk = text_bytes(10'000, 8);
  Bytes frame = zstd_frame(chunk);
  Bytes with_skippable = {0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
  Bytes both = with_skippable;
  append(both, frame);
  expect_rejected(forge(1, 1, 10'000, both), 10'000);
  both = frame;
  append(both, with_skippable);
  expect_rejected(forge(1, 1, 10'000, both), 10'000);
  both = frame;
  append(both, frame);
  expect_rejected(forge(1, 1, 10'000, both), 10'000);
}

TEST(SealedBlock, AZipBombIsRejectedWithoutBeingUnpacked) {
  Bytes zeros(256u << 20);
  Bytes bomb = zstd_frame(zeros);
  zeros = Bytes();
  ASSERT_LT(bomb.size(), 100'000u);
  Bytes out;
  for (std::uint32_t claimed : {1000u, kMaxChunkBytes}) {
    auto status = open(forge(1, 1, claimed, bomb), claimed, out);
    EXPECT_EQ(status.error().code(), Code::kCorrupt);
    EXPECT_LE(out.capacity(), kMaxChunkBytes);
  }
}

TEST(SealedBlock, AFrameThatLiesAboutItsContentSizeIsRejected) {
  // The frame header says 1000 (so it passes that check), the blocks hold 100000: the output stays within 1000.
  Bytes frame = zstd_frame(Bytes(100'000, 1));
  ASSERT_EQ(ZSTD_getFrameContentSize(frame.data(), frame.size()), 100'000u);
  // Single-segment frame with a 4-byte size right after the descriptor.
  ASSERT_EQ(frame[4] >> 6, 2);
  frame[5] = 1000 & 0xff, frame[6] = 1000 >> 8, frame[7] = 0, frame[8] = 0;
  ASSERT_EQ(ZSTD_getFrameContentSize(frame.data(), frame.size()), 1000u);
  expect_rejected(forge(1, 1, 1000, frame), 1000);
}

// Blocks of the first released format must open for ever; raw ones must also be made byte for byte (zstd may change).
TEST(SealedBlock, BlocksOfFormatOneOpen) {
  SealedBlock raw = must_seal(as_bytes("skymoor"));
  EXPECT_EQ(hex_encode(raw.bytes), "0100070000007c4061dd09f72530cc579e004df2009351a74ba492e4c9");
  EXPECT_EQ(raw.id.hex(), "ffa0fd1e5a882890f7aac63daf4821993909169f2e6ad3abe511dc20845abbfb");
  EXPECT_EQ(hex_encode(raw.key), "c2f563d97889ad6043f09d1959a596e427fec856b3378fdb8794f0ca92828a91");

  auto bytes = hex_decode("0101e8030000e4f8293ec05c596c13a0522f851cd786406bdc120f273210bceafb1079f4cd10177469");
  auto key = Hash256::from_hex("3145c916b96310490c54ed64643a8e4d0b2f7fd45de4c1b4d2f10744f92409bb");
  auto id = BlockId::from_hex("475dc4c0398e003e59991c0c11df6634b09e26391fe89468b890d787f2db8791");
  Bytes out;
  ASSERT_TRUE(open_block(*id, key->value, *bytes, 1000, out).ok());
  EXPECT_EQ(out, Bytes(1000, 'a'));
}

TEST(SealedBlock, RandomBytesNeverOpenAndNeverCrash) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Bytes noise = random_bytes(seed % 200, seed);
    if (noise.size() > 6 && seed % 2) noise[0] = 1, noise[1] = seed / 2 % 2, noise[3] = noise[4] = noise[5] = 0;
    SealedBlock block{BlockId{crypto::sha256(noise).value}, {}, noise};
    expect_rejected(block, noise.size() > 2 && noise[2] ? noise[2] : 100);
    // Authentic but senseless payloads reach the decompressor.
    expect_rejected(forge(1, 1, 100, noise), 100);
    Bytes frame = zstd_frame(text_bytes(1000, seed));
    frame[seed % frame.size()] ^= static_cast<std::uint8_t>(1 + seed % 255);
    Bytes out;
    if (open(forge(1, 1, 1000, frame), 1000, out).ok()) {
      EXPECT_EQ(out.size(), 1000u);
    } else {
      EXPECT_TRUE(out.empty());
    }
  }
}

}  // namespace
}  // namespace skymoor::block
