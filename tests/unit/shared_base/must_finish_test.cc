#include "shared/base/must_finish.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace skymoor {
namespace {

// What happens without memory is tested with an operator new of its own: unit/fuse_filesystem/memory_test.cc and its like.
TEST(MustFinishTest, WhatIsThrownBecomesAnError) {
  EXPECT_TRUE(contained([] { return Status(); }).ok());
  EXPECT_EQ(contained([]() -> Status { throw std::bad_alloc(); }).error().code(), Code::kOutOfMemory);
  EXPECT_EQ(contained([]() -> Result<int> { throw std::bad_alloc(); }).error().code(), Code::kOutOfMemory);
  const Status other = contained([]() -> Status { throw std::runtime_error("what it says"); });
  EXPECT_EQ(other.error().code(), Code::kInternal);
  EXPECT_NE(other.error().to_string().find("what it says"), std::string::npos);
  EXPECT_EQ(contained([]() -> Result<int> { return 5; }).value(), 5);
}

TEST(MustFinishTest, RoomIsMadeOnceAndOnlyForWhatMustBeFinished) {
  ASSERT_TRUE(MustFinish::ready().ok());
  const std::new_handler handler = std::get_new_handler();
  ASSERT_TRUE(handler);
  EXPECT_THROW(handler(), std::bad_alloc);
  {
    MustFinish finishing;
    EXPECT_NO_THROW(handler());
    EXPECT_THROW(handler(), std::bad_alloc) << "there is no more of it";
  }
  ASSERT_TRUE(MustFinish::ready().ok());
  EXPECT_THROW(handler(), std::bad_alloc);
  MustFinish finishing;
  EXPECT_NO_THROW(handler());
}

}  // namespace
}  // namespace skymoor
