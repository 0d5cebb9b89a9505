#include "fuse/app/account/password_input.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

TEST(PasswordInput, TheFirstLineOfTheFileCounts) {
  testing::TempDir directory;
  Console console(false);
  for (const char* content : {"my secret\n", "my secret", "my secret\r\nsecond line\n"}) {
    std::ofstream(directory / "pw", std::ios::trunc) << content;
    auto password = read_password(console, directory / "pw", true);
    ASSERT_TRUE(password.ok());
    EXPECT_EQ(as_text(password->view()), "my secret");
  }
  auto missing = read_password(console, directory / "nothing", false);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace skymoor::client
