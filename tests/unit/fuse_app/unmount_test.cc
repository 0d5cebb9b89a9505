#include "fuse/app/host/unmount.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "shared/base/fd.h"
#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

TEST(Unmount, SaysWhoHasFilesOpen) {
  testing::TempDir directory;
  const std::string place = std::filesystem::canonical(directory.path()).string();
  EXPECT_TRUE(processes_using(place).empty());
  std::ofstream(directory / "file") << "x";
  UniqueFd open(::open((directory / "file").c_str(), O_RDONLY));
  auto users = processes_using(place);
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(users[0].pid, ::getpid());
  EXPECT_NE(users[0].what.find("/file open"), std::string::npos) << users[0].what;
  EXPECT_TRUE(processes_using(place + "/fil").empty());
}

TEST(Unmount, NothingMountedIsSaidSo) {
  if (::geteuid() != 0) GTEST_SKIP() << "fusermount3 does not tell";
  testing::TempDir directory;
  const Status done = unmount(directory.path(), false);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace skymoor::client
