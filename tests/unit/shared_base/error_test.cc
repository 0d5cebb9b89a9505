#include "shared/base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace skymoor {
namespace {

TEST(ErrorCodes, NumbersAreUnique) {
  std::set<int> numbers;
  std::set<std::string_view> names;
#define X(name, number, err, http, retry, level)      \
  EXPECT_TRUE(numbers.insert(number).second) << #name; \
  EXPECT_TRUE(names.insert(wire_name_of(Code::k##name)).second) << #name;
  SKYMOOR_ERROR_CODES(X)
#undef X
}

TEST(ErrorCodes, WireNamesComeBack) {
  EXPECT_EQ(wire_name_of(Code::kQuotaExceeded), "quota_exceeded");
  EXPECT_EQ(code_from_wire_name("quota_exceeded", Code::kIo), Code::kQuotaExceeded);
  EXPECT_EQ(code_from_wire_name("no such", Code::kIo), Code::kIo);
}

TEST(Error, KeepsTheSystemErrno) {
  Error error = Error::from_errno(ENOSPC, "write /x");
  EXPECT_EQ(error.code(), Code::kNoSpace);
  EXPECT_EQ(errno_of(error), ENOSPC);
  EXPECT_EQ(errno_of(error.wrap("save the file")), ENOSPC);
  EXPECT_EQ(error.wrap("save the file").to_string(), "save the file: write /x: No space left on device");
}

Result<int> parse(bool good) {
  if (!good) return Error(Code::kInvalidArgument, "bad");
  return 42;
}
Result<std::string> use(bool good) {
  int value = TRY(parse(good));
  return std::to_string(value);
}

TEST(Try, HandsOnTheErrorOrTheValue) {
  EXPECT_EQ(use(true).value(), "42");
  EXPECT_EQ(use(false).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace skymoor
