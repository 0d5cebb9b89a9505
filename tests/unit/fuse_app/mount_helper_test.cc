// packaging/mount.skymoor turns mount(8)'s words into ours.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

/// What the helper would run, with `echo` in the program's place.
std::string run_helper(const std::string& words) {
  std::string out;
  const std::string command = "SKYMOOR=echo sh " SKYMOOR_SOURCE "/packaging/mount.skymoor " + words + " 2>&1";
  if (FILE* pipe = ::popen(command.c_str(), "r")) {
    char piece[1024];
    while (std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) out.append(piece, n);
    ::pclose(pipe);
  }
  return out;
}

TEST(MountHelper, PassesOptionsOn) {
  EXPECT_EQ(run_helper("home /d -o rw,nosuid"), "mount home /d -o rw,nosuid\n");
  EXPECT_EQ(run_helper("home '/d e' -s -v -o ro -o allow_other"), "mount home /d e -o ro,allow_other\n");
  EXPECT_EQ(run_helper("home /d -n -r"), "mount home /d -o ro\n");
  EXPECT_EQ(run_helper("home /d"), "mount home /d\n");
}

TEST(MountHelper, AFakeMountDoesNothingAndNonsenseIsRefused) {
  EXPECT_EQ(run_helper("home /d -f -o rw"), "");
  EXPECT_NE(run_helper("home /d -Q").find("usage"), std::string::npos);
}

}  // namespace
