#include "shared/model/manifest.h"

#include <gtest/gtest.h>

#include <random>

#include "shared/model/attributes.h"

namespace skymoor {
namespace {

Manifest sample() {
  Manifest m;
  for (int i = 0; i < 5; ++i) {
    Chunk c;
    c.length = i == 2 ? 1ull << 35 : 1000u + static_cast<unsigned>(i);
    if (i != 2) {
      c.block.value.fill(static_cast<std::uint8_t>(i + 1));
      c.key.fill(static_cast<std::uint8_t>(i + 100));
      c.stored_bytes = 900;
    }
    m.size += c.length;
    m.chunks.push_back(c);
  }
  return m;
}

TEST(Manifest, RoundTrips) {
  EXPECT_EQ(decode_manifest(encode_manifest(sample())).value(), sample());
  Manifest small;
  small.inline_data = to_bytes("tiny");
  small.size = 4;
  EXPECT_EQ(decode_manifest(encode_manifest(small)).value(), small);
  EXPECT_EQ(decode_manifest(encode_manifest(Manifest{})).value(), Manifest{});
}

TEST(Manifest, EveryTruncationIsRefused) {
  Bytes whole = encode_manifest(sample());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_manifest(ByteView(whole).first(size)).ok()) << size;
}

TEST(Manifest, LengthsMustAddUp) {
  Manifest m = sample();
  m.size += 1;
  EXPECT_FALSE(decode_manifest(encode_manifest(m)).ok());
  m = sample();
  m.chunks[0].length = 5u << 20;
  m.size = 0;
  for (const auto& c : m.chunks) m.size += c.length;
  EXPECT_FALSE(decode_manifest(encode_manifest(m)).ok()) << "a chunk over 4 MiB";
}

TEST(Manifest, RandomBytesNeverCrash) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(random() % 200);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    if (!bytes.empty()) bytes[0] = 1;
    auto decoded = decode_manifest(bytes);
    if (decoded.ok()) {
      EXPECT_EQ(decode_manifest(encode_manifest(*decoded)).value(), *decoded);
    }
  }
}

TEST(Names, WhatIsAllowed) {
  EXPECT_TRUE(check_name("a\nb\xff").ok()) << "names are bytes";
  EXPECT_TRUE(check_name(std::string(255, 'x')).ok());
  EXPECT_EQ(check_name(std::string(256, 'x')).error().code(), Code::kNameTooLong);
  for (std::string_view bad : {std::string_view(""), std::string_view("."), std::string_view(".."),
                               std::string_view("a/b"), std::string_view("a\0b", 3)})
    EXPECT_FALSE(check_name(bad).ok());
}

}  // namespace
}  // namespace skymoor
