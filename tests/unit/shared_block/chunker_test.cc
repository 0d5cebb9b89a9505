#include "shared/block/chunker.h"

#include <gtest/gtest.h>

#include <set>

#include "shared/crypto/hash.h"
#include "tests/unit/shared_block/random_bytes.h"

namespace skymoor::block {
namespace {

const Bytes kKey(32, 7);
constexpr std::size_t kMiB = 1024 * 1024;

std::vector<std::size_t> cut_lengths(const Chunker& chunker, ByteView data) {
  std::vector<std::size_t> lengths;
  while (!data.empty()) {
    std::size_t n = chunker.first_cut(data, true);
    EXPECT_GT(n, 0u);
    if (n == 0) break;
    lengths.push_back(n);
    data = data.subspan(n);
  }
  return lengths;
}

std::multiset<Hash256> chunk_hashes(const Chunker& chunker, ByteView data) {
  std::multiset<Hash256> hashes;
  for (std::size_t n : cut_lengths(chunker, data)) {
    hashes.insert(crypto::sha256(data.first(n)));
    data = data.subspan(n);
  }
  return hashes;
}

std::size_t not_in(const std::multiset<Hash256>& these, const std::multiset<Hash256>& others) {
  std::size_t n = 0;
  for (const Hash256& h : these) n += !others.contains(h);
  return n;
}

TEST(Chunker, OneByteInsertedAtTheFrontChangesFewerThanThreeChunks) {
  Chunker chunker(kKey);
  Bytes data = random_bytes(64 * kMiB, 1);
  auto before = chunk_hashes(chunker, data);
  data.insert(data.begin(), 0x5a);
  auto after = chunk_hashes(chunker, data);
  EXPECT_LT(not_in(after, before), 3u);
  EXPECT_GT(after.size(), 32u);
}

TEST(Chunker, BytesDeletedAndInsertedInTheMiddleChangeOnlyTheirSurroundings) {
  Chunker chunker(kKey, {.min = 4096, .average = 16384, .max = 65536});
  Bytes data = random_bytes(8 * kMiB, 2);
  auto before = chunk_hashes(chunker, data);
  data.erase(data.begin() + 3 * kMiB, data.begin() + 3 * kMiB + 777);
  data.insert(data.begin() + 6 * kMiB, 12345, 0x11);
  EXPECT_LE(not_in(chunk_hashes(chunker, data), before), 8u);
}

TEST(Chunker, SizesStayWithinLimitsAndNearTheAverage) {
  Chunker chunker(kKey, {.min = 16384, .average = 65536, .max = 262144});
  auto lengths = cut_lengths(chunker, random_bytes(32 * kMiB, 3));
  for (std::size_t i = 0; i + 1 < lengths.size(); ++i) {
    EXPECT_GE(lengths[i], 16384u);
    EXPECT_LE(lengths[i], 262144u);
  }
  double mean = 32.0 * kMiB / static_cast<double>(lengths.size());
  EXPECT_GT(mean, 0.75 * 65536);
  EXPECT_LT(mean, 1.5 * 65536);
}

TEST(Chunker, ConstantBytesAreCutAtTheMaximum) {
  Chunker chunker(kKey);
  Bytes zeros(10 * kMiB);
  auto lengths = cut_lengths(chunker, zeros);
  // A gear sum of one repeated value could only by chance have a zero prefix: then every chunk would be minimal.
  EXPECT_EQ(lengths, (std::vector<std::size_t>{4 * kMiB, 4 * kMiB, 2 * kMiB}));
}

TEST(Chunker, SameKeySameCutsOtherKeyOtherCuts) {
  Bytes data = random_bytes(4 * kMiB, 4);
  ChunkSizes sizes{.min = 4096, .average = 16384, .max = 65536};
  Bytes other_key(32, 8);
  EXPECT_EQ(cut_lengths(Chunker(kKey, sizes), data), cut_lengths(Chunker(kKey, sizes), data));
  EXPECT_NE(cut_lengths(Chunker(kKey, sizes), data), cut_lengths(Chunker(other_key, sizes), data));
}

// A change of the gear table or of the masks would make every client of the old version upload everything again.
TEST(Chunker, CutsAreThoseOfFormatOne) {
  Chunker chunker(kKey, {.min = 4096, .average = 16384, .max = 65536});
  auto lengths = cut_lengths(chunker, random_bytes(100'000, 5));
  EXPECT_EQ(lengths, (std::vector<std::size_t>{17893, 28642, 17434, 26030, 10001}));
}

TEST(Chunker, StreamedInPiecesCutsAsTheWholeDoes) {
  Chunker chunker(kKey, {.min = 4096, .average = 16384, .max = 65536});
  Bytes data = random_bytes(kMiB, 6);
  auto whole = cut_lengths(chunker, data);
  std::vector<std::size_t> streamed;
  std::size_t start = 0, have = 0;
  while (start < data.size()) {
    bool at_end = have == data.size();
    std::size_t n = chunker.first_cut(ByteView(data).subspan(start, have - start), at_end);
    if (n == 0) {
      ASSERT_FALSE(at_end);
      have = std::min(data.size(), have + 1000);
      continue;
    }
    streamed.push_back(n);
    start += n;
    have = std::max(have, start);
  }
  EXPECT_EQ(streamed, whole);
}

TEST(Chunker, WhatHasNoCutNeedsNoSecondLook) {
  Chunker chunker(kKey, {.min = 4096, .average = 16384, .max = 65536});
  for (const Bytes& data : {random_bytes(kMiB, 7), Bytes(kMiB / 2, 3)}) {
    const auto whole = cut_lengths(chunker, data);
    for (std::size_t step : {1u, 63u, 64u, 1000u, 5000u, 20'000u}) {
      std::vector<std::size_t> streamed;
      for (std::size_t start = 0; start < data.size();) {
        std::size_t n = 0, have = 0;
        for (std::size_t without_cut = 0; n == 0; without_cut = have) {
          have = std::min(data.size() - start, have + step);
          n = chunker.first_cut(ByteView(data).subspan(start, have), start + have == data.size(), without_cut);
        }
        streamed.push_back(n);
        start += n;
      }
      EXPECT_EQ(streamed, whole) << step;
    }
  }
}

TEST(Chunker, ShortAndEmptyInput) {
  Chunker chunker(kKey);
  EXPECT_EQ(chunker.first_cut({}, true), 0u);
  EXPECT_EQ(chunker.first_cut({}, false), 0u);
  Bytes one(1, 9);
  EXPECT_EQ(chunker.first_cut(one, true), 1u);
  EXPECT_EQ(chunker.first_cut(one, false), 0u);
  Bytes min(256 * 1024, 9);
  EXPECT_EQ(chunker.first_cut(min, true), min.size());
}

TEST(Chunker, ImpossibleSizesAreMadeSane) {
  Chunker chunker(kKey, {.min = 0, .average = 5000, .max = 1});
  EXPECT_EQ(chunker.sizes().average, 4096u);
  EXPECT_GE(chunker.sizes().min, 64u);
  EXPECT_GE(chunker.sizes().max, chunker.sizes().average);
  EXPECT_FALSE(cut_lengths(chunker, random_bytes(100'000, 7)).empty());
}

}  // namespace
}  // namespace skymoor::block
