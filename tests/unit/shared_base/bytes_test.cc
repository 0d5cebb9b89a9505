#include "shared/base/bytes.h"

#include <gtest/gtest.h>

#include <random>

#include "shared/base/ids.h"

namespace skymoor {
namespace {

TEST(Crc32c, KnownVectors) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8A9136AAu);
  EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62A8AB43u);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
}

TEST(Crc32c, ContinuesFromASeed) {
  auto text = as_bytes("the quick brown fox jumps");
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32c(text.subspan(cut), crc32c(text.first(cut))), crc32c(text));
}

TEST(Crc32c, LongInputsAreTheSameInPiecesOfAnyLength) {
  Bytes data(50'000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * i * 31 + (i >> 7));
  for (std::size_t size : {6143u, 6144u, 6145u, 12'288u, 20'000u, 49'999u}) {
    const ByteView whole = ByteView(data).subspan(1, size);
    for (std::size_t step : {1u, 7u, 64u, 1000u}) {   // short pieces never take several lanes
      std::uint32_t crc = 0;
      for (std::size_t at = 0; at < size; at += step) crc = crc32c(whole.subspan(at, std::min(step, size - at)), crc);
      EXPECT_EQ(crc, crc32c(whole)) << size << " by " << step;
    }
  }
}

TEST(Base64Url, RoundTripsEveryLength) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 100; ++size) {
    Bytes in(size);
    for (auto& b : in) b = static_cast<std::uint8_t>(random());
    auto out = base64url_decode(base64url_encode(in));
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(*out, in);
  }
}

TEST(Base64Url, RefusesOtherSpellings) {
  EXPECT_FALSE(base64url_decode("QQ==").ok());
  EXPECT_FALSE(base64url_decode("Q").ok());
  EXPECT_FALSE(base64url_decode("QR").ok()) << "leftover bits must be zero";
  EXPECT_FALSE(base64url_decode("a+b/").ok());
}

TEST(Hex, RoundTripsAndRefuses) {
  EXPECT_EQ(hex_encode(as_bytes("\x01\xff")), "01ff");
  EXPECT_EQ(hex_decode("01FF").value(), (Bytes{1, 255}));
  EXPECT_FALSE(hex_decode("0").ok());
  EXPECT_FALSE(hex_decode("0g").ok());
  EXPECT_FALSE(BlockId::from_hex("AB").ok());
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  ByteWriter out;
  out.u8(7);
  out.u16(0x1234);
  out.u32(0xdeadbeef);
  out.u64(~0ull);
  out.i64(-5);
  for (std::uint64_t v : {0ull, 127ull, 128ull, 16384ull, ~0ull}) out.varint(v);
  out.text("hello");
  ByteReader in(out.view());
  EXPECT_EQ(in.u8(), 7);
  EXPECT_EQ(in.u16(), 0x1234);
  EXPECT_EQ(in.u32(), 0xdeadbeef);
  EXPECT_EQ(in.u64(), ~0ull);
  EXPECT_EQ(in.i64(), -5);
  for (std::uint64_t v : {0ull, 127ull, 128ull, 16384ull, ~0ull}) EXPECT_EQ(in.varint(), v);
  EXPECT_EQ(in.text(5), "hello");
  EXPECT_TRUE(in.finish("test").ok());
}

TEST(ByteReader, FailureSticksAndNeverReadsPastTheEnd) {
  Bytes four(4, 1);
  ByteReader in(four);
  in.u64();
  EXPECT_TRUE(in.failed());
  EXPECT_EQ(in.u8(), 0) << "after a failure nothing is read";
  EXPECT_EQ(in.finish("test").error().code(), Code::kCorrupt);
}

TEST(ByteReader, RefusesOverlongVarintsAndCounts) {
  Bytes overlong{0x80, 0x00};
  ByteReader a(overlong);
  a.varint();
  EXPECT_TRUE(a.failed());
  Bytes huge{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
  ByteReader b(huge);
  b.varint();
  EXPECT_TRUE(b.failed());
  ByteWriter out;
  out.varint(1000);
  ByteReader c(out.view());
  EXPECT_EQ(c.count(5000, 1), 0u);
  EXPECT_TRUE(c.failed()) << "a count that the input cannot hold";
}

TEST(ByteReader, LeftOverBytesAreAnError) {
  Bytes two(2, 0);
  ByteReader in(two);
  in.u8();
  EXPECT_FALSE(in.finish("test").ok());
  EXPECT_TRUE(in.finish("test", true).ok());
}

}  // namespace
}  // namespace skymoor
