#include "fuse/app/account/password_check.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

TEST(PasswordCheck, TakesGoodOnes) {
  for (const char* good : {"correct horse battery staple", "xk3!fQ9_zm", "sechs Wörter sind gut"})
    EXPECT_TRUE(check_password(good, "ada", false).ok()) << good;
}

TEST(PasswordCheck, RefusesWhatIsGuessedFirst) {
  for (const char* bad : {"", "short", "123456789", "aaaaaaaaaaaa", "ababababab", "1029384756", "Password1", "passwordpassword",
                          "qwertyqwerty", "ada-lovelace1", "abcdefghijklm", "9876543210a"}) {
    Status checked = check_password(bad, "ada-lovelace", false);
    EXPECT_FALSE(checked.ok()) << bad;
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument) << bad;
    EXPECT_NE(checked.error().message().find("password"), std::string::npos) << bad;
  }
}

TEST(PasswordCheck, AWeakOneCanBeInsistedOnButNotAnEmptyOne) {
  EXPECT_TRUE(check_password("1234", "ada", true).ok());
  EXPECT_FALSE(check_password("", "ada", true).ok());
  EXPECT_FALSE(check_password(std::string(2000, 'x'), "ada", true).ok());
}

}  // namespace
}  // namespace skymoor::client
