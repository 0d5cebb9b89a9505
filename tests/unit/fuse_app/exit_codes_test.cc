#include "fuse/app/exit_codes.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

TEST(ExitCodes, ScriptsMayRelyOnThese) {
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kInvalidArgument)), 2);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kUnauthenticated)), 3);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kOffline)), 4);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kTimedOut)), 5);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kCorrupt)), 6);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kBusy)), 7);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kNotFound)), 8);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kWrongPassword)), 9);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kBadCertificate)), 9);
  EXPECT_EQ(static_cast<int>(exit_code_of(Code::kIo)), 1);
}

}  // namespace
}  // namespace skymoor::client
