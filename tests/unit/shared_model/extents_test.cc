#include "shared/model/extents.h"

#include <gtest/gtest.h>

#include <random>

namespace skymoor {
namespace {

/// The set against a plain array of booleans, under random operations.
TEST(ExtentSet, BehavesLikeASetOfBytes) {
  constexpr std::size_t kSize = 200;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    ExtentSet set;
    std::vector<bool> model(kSize);
    for (int step = 0; step < 60; ++step) {
      std::uint64_t a = random() % kSize, b = a + random() % 40;
      b = std::min<std::uint64_t>(b, kSize);
      bool add = random() % 3 != 0;
      add ? set.add({a, b}) : set.remove({a, b});
      for (std::uint64_t i = a; i < b; ++i) model[i] = add;

      std::uint64_t total = 0;
      for (std::uint64_t i = 0; i < kSize; ++i) {
        ASSERT_EQ(set.contains({i, i + 1}), model[i]) << "seed " << seed << " byte " << i;
        total += model[i];
      }
      ASSERT_EQ(set.total(), total);
      auto all = set.all();
      for (std::size_t i = 1; i < all.size(); ++i) ASSERT_GT(all[i].begin, all[i - 1].end) << "coalesced and in order";
      std::uint64_t covered = 0;
      for (const auto& e : set.present({a, b})) covered += e.length();
      for (const auto& e : set.missing({a, b})) covered += e.length();
      ASSERT_EQ(covered, b - a) << "present and missing make up the whole";
      ASSERT_EQ(decode_extents(encode_extents(set)).value(), set);
    }
  }
}

TEST(ExtentSet, DecodeRefusesNonsense) {
  EXPECT_FALSE(decode_extents(Bytes{}).ok());
  EXPECT_FALSE(decode_extents(Bytes{2, 0, 1}).ok());
  EXPECT_FALSE(decode_extents(Bytes{1, 0, 0}).ok()) << "an empty range";
  EXPECT_FALSE(decode_extents(Bytes{2, 0, 1, 0, 1}).ok()) << "ranges that touch have one spelling: one range";
}

}  // namespace
}  // namespace skymoor
