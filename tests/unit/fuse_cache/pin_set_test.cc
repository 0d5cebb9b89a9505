#include "fuse/cache/pin_set.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

class PinSetTest : public ::testing::Test {
 protected:
  std::unique_ptr<PinSet> open() {
    auto pins = PinSet::open(disk_, file_);
    EXPECT_TRUE(pins.ok());
    return pins.ok() ? *std::move(pins) : nullptr;
  }
  testing::TempDir directory_;
  PosixDisk disk_;
  const std::string file_ = directory_ / "pins";
};

TEST_F(PinSetTest, pins_survive_being_opened_again) {
  auto pins = open();
  EXPECT_TRUE(pins->empty());
  for (std::uint64_t id : {5u, 1u, 9u}) ASSERT_TRUE(pins->add(InodeId{id}).ok());
  ASSERT_TRUE(pins->add(InodeId{5}).ok());
  ASSERT_TRUE(pins->remove(InodeId{1}).ok());
  EXPECT_EQ(pins->remove(InodeId{1}).error().code(), Code::kNotFound);
  pins = open();
  EXPECT_EQ(pins->all(), (std::vector<InodeId>{InodeId{5}, InodeId{9}}));
  EXPECT_TRUE(pins->contains(InodeId{9}));
  EXPECT_FALSE(pins->contains(InodeId{1}));
  ASSERT_TRUE(pins->remove(InodeId{5}).ok());
  ASSERT_TRUE(pins->remove(InodeId{9}).ok());
  EXPECT_TRUE(open()->empty());
}

TEST_F(PinSetTest, every_flipped_bit_is_noticed) {
  ASSERT_TRUE(open()->add(InodeId{77}).ok());
  const Bytes good = *read_file(disk_, file_, 1000);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_TRUE(write_file_durably(disk_, file_, bad).ok());
    auto opened = PinSet::open(disk_, file_);
    ASSERT_FALSE(opened.ok()) << bit;
    EXPECT_EQ(opened.error().code(), Code::kCorrupt);
  }
}

TEST_F(PinSetTest, a_change_that_cannot_be_written_is_none) {
  bool broken = false;
  PosixDisk disk([&](const FaultPoint& point) { return broken && point.name == "file.write" ? ENOSPC : 0; });
  auto pins = PinSet::open(disk, file_);
  ASSERT_TRUE(pins.ok());
  ASSERT_TRUE((*pins)->add(InodeId{1}).ok());
  broken = true;
  EXPECT_EQ((*pins)->add(InodeId{2}).error().code(), Code::kNoSpace);
  EXPECT_FALSE((*pins)->contains(InodeId{2}));
  EXPECT_EQ((*pins)->remove(InodeId{1}).error().code(), Code::kNoSpace);
  EXPECT_TRUE((*pins)->contains(InodeId{1}));
  broken = false;
  EXPECT_EQ(open()->all(), std::vector<InodeId>{InodeId{1}});
}

}  // namespace
}  // namespace skymoor::client
