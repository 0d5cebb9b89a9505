// What waiting writes carry is bounded, and given back.
#include "fuse/channel/kept_bytes.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

constexpr std::size_t kLargest = 1u << 20;   // of one request

TEST(KeptBytesTest, RoomIsBoundedAndComesBack) {
  KeptBytes kept;
  std::vector<KeptBytes::Kept> all;
  for (std::size_t taken = 0; taken < KeptBytes::kMaxBytes; taken += kLargest) {
    auto room = kept.room_for(kLargest);
    ASSERT_TRUE(room.ok());
    ASSERT_EQ((*room)->size(), kLargest);
    all.push_back(std::move(room).value());
  }
  for (int again = 0; again < 3; ++again) {
    auto more = kept.room_for(1);
    ASSERT_FALSE(more.ok());
    EXPECT_EQ(errno_of(more.error()), EIO);
    EXPECT_EQ(kept.used_bytes(), KeptBytes::kMaxBytes);
  }
  KeptBytes::Kept shared = all.back();
  all.pop_back();
  EXPECT_FALSE(kept.room_for(1).ok());
  shared.reset();
  EXPECT_EQ(kept.used_bytes(), KeptBytes::kMaxBytes - kLargest);
  EXPECT_TRUE(kept.room_for(kLargest).ok());
  all.clear();
  EXPECT_EQ(kept.used_bytes(), 0u);
}

}  // namespace
}  // namespace skymoor::client
