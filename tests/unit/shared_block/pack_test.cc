#include "shared/block/pack.h"

#include <gtest/gtest.h>

#include <map>

#include "shared/block/seal.h"
#include "shared/crypto/hash.h"
#include "tests/unit/shared_block/random_bytes.h"

namespace skymoor::block {
namespace {

constexpr std::size_t kPackHeader = 8, kSegmentHeader = 48;

struct Sample {
  Bytes bytes;
  BlockId id;
};

Sample sample(std::size_t size, std::uint64_t seed) {
  Bytes bytes = random_bytes(size, seed);
  return {bytes, BlockId{crypto::sha256(bytes).value}};
}

ParsedPack must_parse(ByteView pack) {
  auto parsed = parse_pack(pack);
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? std::move(*parsed) : ParsedPack{};
}

TEST(Pack, RoundTripsBlocksOfManySizes) {
  PackWriter writer;
  std::vector<Sample> samples;
  for (std::size_t size : {1u, 100u, kSegmentBytes - 1, kSegmentBytes, kSegmentBytes + 1, 3 * kSegmentBytes + 5})
    samples.push_back(sample(size, size));
  for (const Sample& s : samples) writer.add_block(s.id, s.bytes);
  EXPECT_EQ(writer.segments(), 1u + 1 + 1 + 1 + 2 + 4);
  const std::size_t size = writer.size();
  Bytes pack = writer.take();
  EXPECT_EQ(pack.size(), size);
  EXPECT_EQ(writer.segments(), 0u);

  ParsedPack parsed = must_parse(pack);
  EXPECT_FALSE(parsed.truncated);
  std::map<BlockId, Bytes> joined;
  for (const Segment& s : parsed.segments) {
    EXPECT_TRUE(s.intact);
    EXPECT_EQ(joined[s.block].size(), std::size_t{s.index} * kSegmentBytes);
    append(joined[s.block], s.bytes);
  }
  for (const Sample& s : samples) EXPECT_EQ(joined[s.id], s.bytes);
}

TEST(Pack, AFillerMakesWhatAWriterMakes) {
  PackWriter writer;
  Bytes memory(3'000'000, 7);
  PackFiller filler(memory);
  for (std::size_t size : {1u, kSegmentBytes, kSegmentBytes + 1, 3 * kSegmentBytes + 5}) {
    const Sample s = sample(size, size);
    writer.add_block(s.id, s.bytes);
    // One that could not be read leaves nothing.
    for (std::span<std::uint8_t> place : filler.place(kSegmentBytes + 9)) std::fill(place.begin(), place.end(), 1);
    ByteView rest = s.bytes;
    for (std::span<std::uint8_t> place : filler.place(static_cast<std::uint32_t>(size))) {
      std::copy_n(rest.begin(), place.size(), place.begin());
      rest = rest.subspan(place.size());
    }
    EXPECT_TRUE(rest.empty());
    filler.keep(s.id);
  }
  EXPECT_EQ(filler.segments(), writer.segments());
  EXPECT_EQ(to_bytes(ByteView(memory).first(filler.size())), writer.take());
  const auto left = static_cast<std::uint32_t>(memory.size() - filler.size());
  EXPECT_TRUE(filler.place(left).empty()) << "its heads do not fit";
  EXPECT_FALSE(filler.place(left - (left / kSegmentBytes + 1) * 48).empty());
  EXPECT_TRUE(filler.place(0).empty());
  EXPECT_TRUE(filler.place(kMaxBlockBytes + 1).empty());
}

TEST(Pack, ChecksumsAreLeftToWhoDoesNotNeedThem) {
  const Sample s = sample(1000, 1);
  PackWriter writer;
  writer.add_block(s.id, s.bytes);
  Bytes pack = writer.take();
  pack.back() ^= 1;
  EXPECT_FALSE(must_parse(pack).segments.at(0).intact);
  auto parsed = parse_pack(pack, Checksums::kLeave);
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->segments.at(0).intact);
  EXPECT_TRUE(parse_pack(ByteView(pack).first(500), Checksums::kLeave)->truncated) << "lengths count all the same";
}

TEST(Pack, AWriterIsReusableAfterTake) {
  PackWriter writer;
  Sample s = sample(10, 1);
  writer.add_block(s.id, s.bytes);
  Bytes first = writer.take();
  writer.add_block(s.id, s.bytes);
  EXPECT_EQ(writer.take(), first);
  EXPECT_TRUE(must_parse(writer.take()).segments.empty());
}

TEST(Pack, BytesAreThoseOfFormatOne) {
  PackWriter writer;
  writer.add_block(*BlockId::from_hex("ffa0fd1e5a882890f7aac63daf4821993909169f2e6ad3abe511dc20845abbfb"),
                   *hex_decode("0100070000007c4061dd09f72530cc579e004df2009351a74ba492e4c9"));
  EXPECT_EQ(hex_encode(writer.take()),
            "534b504b01000000"
            "ffa0fd1e5a882890f7aac63daf4821993909169f2e6ad3abe511dc20845abbfb1d000000000000001d000000e42e79a2"
            "0100070000007c4061dd09f72530cc579e004df2009351a74ba492e4c9");
}

TEST(Pack, TwoLargestBlocksFit) {
  PackWriter writer;
  Sample s = sample(kMaxBlockBytes, 1);
  writer.add_block(s.id, s.bytes);
  writer.add_block(s.id, s.bytes);
  EXPECT_LE(writer.size(), kMaxPackBytes);
  EXPECT_EQ(must_parse(writer.take()).segments.size(), 2u * 17);
}

TEST(Pack, DamagedPayloadIsMarkedAndTheRestIsRead) {
  PackWriter writer;
  Sample s = sample(2 * kSegmentBytes + 10, 1);
  writer.add_block(s.id, s.bytes);
  Bytes pack = writer.take();
  pack[kPackHeader + kSegmentHeader + 1000] ^= 1;
  ParsedPack parsed = must_parse(pack);
  EXPECT_FALSE(parsed.truncated);
  ASSERT_EQ(parsed.segments.size(), 3u);
  EXPECT_FALSE(parsed.segments[0].intact);
  EXPECT_TRUE(parsed.segments[1].intact);
  EXPECT_TRUE(parsed.segments[2].intact);
}

TEST(Pack, NoBitFlipInASegmentPassesAsIntact) {
  PackWriter writer;
  Sample a = sample(90, 1), b = sample(50, 2);
  writer.add_block(a.id, a.bytes);
  writer.add_block(b.id, b.bytes);
  const Bytes pack = writer.take();
  for (std::size_t bit = kPackHeader * 8; bit < (kPackHeader + kSegmentHeader + 90) * 8; ++bit) {
    Bytes damaged = pack;
    damaged[bit / 8] ^= 1 << bit % 8;
    ParsedPack parsed = must_parse(damaged);
    // Either the first segment is marked and the second still read, or the header could not be trusted at all.
    if (parsed.truncated) {
      EXPECT_TRUE(parsed.segments.empty());
    } else {
      ASSERT_EQ(parsed.segments.size(), 2u);
      EXPECT_FALSE(parsed.segments[0].intact);
      EXPECT_TRUE(parsed.segments[1].intact);
    }
  }
}

TEST(Pack, ADamagedHeaderEndsThePackAndKeepsWhatCameBefore) {
  PackWriter writer;
  Sample a = sample(90, 1), b = sample(50, 2);
  writer.add_block(a.id, a.bytes);
  writer.add_block(b.id, b.bytes);
  Bytes pack = writer.take();
  pack[kPackHeader + kSegmentHeader + 90 + 40] ^= 0xff;  // the second one's length
  ParsedPack parsed = must_parse(pack);
  EXPECT_TRUE(parsed.truncated);
  ASSERT_EQ(parsed.segments.size(), 1u);
  EXPECT_EQ(to_bytes(parsed.segments[0].bytes), a.bytes);
}

TEST(Pack, TruncationAtEveryByteKeepsTheWholeSegments) {
  PackWriter writer;
  Sample a = sample(90, 1), b = sample(50, 2);
  writer.add_block(a.id, a.bytes);
  const std::size_t first_end = writer.size();
  writer.add_block(b.id, b.bytes);
  const Bytes pack = writer.take();
  for (std::size_t size = 0; size < pack.size(); ++size) {
    auto parsed = parse_pack(ByteView(pack).first(size));
    if (size < kPackHeader) {
      EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->segments.size(), size >= first_end ? 1u : 0u);
    EXPECT_EQ(parsed->truncated, size != kPackHeader && size != first_end);
    for (const Segment& s : parsed->segments) EXPECT_TRUE(s.intact);
  }
}

TEST(Pack, RefusesWhatIsNotAPackOrTooLarge) {
  PackWriter writer;
  Sample s = sample(10, 1);
  writer.add_block(s.id, s.bytes);
  const Bytes pack = writer.take();
  for (std::size_t i = 0; i < kPackHeader; ++i) {
    Bytes damaged = pack;
    damaged[i] ^= 1;
    EXPECT_EQ(parse_pack(damaged).error().code(), Code::kInvalidArgument) << i;
  }
  EXPECT_EQ(parse_pack(Bytes(kMaxPackBytes + 1)).error().code(), Code::kInvalidArgument);
  for (std::size_t i = 0; i <= kMaxPackSegments; ++i) writer.add_block(s.id, s.bytes);
  EXPECT_EQ(parse_pack(writer.take()).error().code(), Code::kInvalidArgument);
}

TEST(Pack, SizeIndexAndLengthMustFitTogether) {
  Bytes payload(100);
  struct Case {
    std::uint32_t block_bytes, index, length;
  };
  for (Case c : {Case{100, 1, 100}, Case{99, 0, 100}, Case{101, 0, 100}, Case{0, 0, 0}, Case{0, 0, 100},
                 Case{kMaxBlockBytes + 1, 0, kSegmentBytes}, Case{0xffffffff, 0, 100},
                 Case{100, 0xffffffff, 100}, Case{kSegmentBytes + 100, 0x4000'0001, 100}}) {
    PackWriter writer;
    Bytes bytes(c.length);
    writer.add_segment(BlockId{}, c.block_bytes, c.index, bytes);
    ParsedPack parsed = must_parse(writer.take());
    EXPECT_TRUE(parsed.truncated);
    EXPECT_TRUE(parsed.segments.empty());
  }
}

TEST(Pack, RandomAndMutatedInputNeverCrashesNorPassesAsIntact) {
  PackWriter writer;
  std::vector<Sample> samples = {sample(90, 1), sample(1, 2), sample(3000, 3)};
  for (const Sample& s : samples) writer.add_block(s.id, s.bytes);
  const Bytes good = writer.take();
  std::mt19937_64 engine(11);
  for (int round = 0; round < 5000; ++round) {
    Bytes input = round % 2 ? good : random_bytes(engine() % 400, engine());
    if (round % 2) {
      for (std::uint64_t n = 1 + engine() % 4; n; --n)
        input[engine() % input.size()] = static_cast<std::uint8_t>(engine());
      if (engine() % 3 == 0) input.resize(engine() % input.size());
    } else if (input.size() >= kPackHeader) {
      std::copy_n(good.begin(), kPackHeader, input.begin());
    }
    auto parsed = parse_pack(input);
    if (!parsed.ok()) continue;
    for (const Segment& s : parsed->segments) {
      EXPECT_GE(s.bytes.data(), input.data());
      EXPECT_LE(s.bytes.data() + s.bytes.size(), input.data() + input.size());
      if (!s.intact) continue;
      EXPECT_EQ(crypto::sha256(s.bytes).value, s.block.value);
    }
  }
}

}  // namespace
}  // namespace skymoor::block
