#include "fuse/app/state/cache_notice.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

Environment environment(std::map<std::string, std::string> values) {
  auto shared = std::make_shared<std::map<std::string, std::string>>(std::move(values));
  return [shared](const char* name) -> const char* {
    auto it = shared->find(name);
    return it == shared->end() ? nullptr : it->second.c_str();
  };
}

TEST(StatePaths, FollowOptionThenVariableThenXdgThenHome) {
  auto home = environment({{"HOME", "/h"}});
  EXPECT_EQ(StatePaths::resolve("", "", home)->state, "/h/.local/share/skymoor");
  EXPECT_EQ(StatePaths::resolve("", "", home)->cache, "/h/.cache/skymoor");
  auto xdg = environment({{"HOME", "/h"}, {"XDG_DATA_HOME", "/d"}, {"XDG_CACHE_HOME", "/c"}});
  EXPECT_EQ(StatePaths::resolve("", "", xdg)->state, "/d/skymoor");
  EXPECT_EQ(StatePaths::resolve("", "", xdg)->cache, "/c/skymoor");
  auto variable = environment({{"HOME", "/h"}, {"XDG_DATA_HOME", "/d"}, {"SKYMOOR_STATE_DIR", "/v"}});
  EXPECT_EQ(StatePaths::resolve("", "", variable)->state, "/v");
  EXPECT_EQ(StatePaths::resolve("/o/", "/p", variable)->state, "/o");
  EXPECT_EQ(StatePaths::resolve("/o", "/p", variable)->cache, "/p");
}

TEST(StatePaths, ARelativeXdgPathDoesNotCountAndResultsAreAbsolute) {
  auto paths = StatePaths::resolve("some/where/..", "", environment({{"HOME", "/h"}, {"XDG_CACHE_HOME", "rel"}}));
  ASSERT_TRUE(paths.ok());
  EXPECT_TRUE(paths->state.starts_with("/"));
  EXPECT_TRUE(paths->state.ends_with("/some")) << paths->state;
  EXPECT_EQ(paths->cache, "/h/.cache/skymoor");
}

TEST(StatePaths, WithoutHomeTheUsersEntryCounts) {
  auto paths = StatePaths::resolve("", "", environment({}));
  ASSERT_TRUE(paths.ok());
  EXPECT_TRUE(paths->state.ends_with("/.local/share/skymoor"));
}

TEST(StatePaths, PrivateDirectoriesArePrivate) {
  testing::TempDir directory;
  PosixDisk disk;
  const std::string path = directory / "a/b";
  ASSERT_TRUE(make_private_directory(disk, path).ok());
  struct stat st = {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  ::chmod(path.c_str(), 0755);
  ASSERT_TRUE(make_private_directory(disk, path).ok());
  ::stat(path.c_str(), &st);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST(StatePaths, ACacheOnAnotherFilesystemIsNoticed) {
  testing::TempDir directory, elsewhere(testing::TempDir::disk_directory());
  EXPECT_EQ(cache_notice({directory / "state", directory / "cache"}), "");   // neither is there yet
  PosixDisk disk;
  for (const char* name : {"state", "cache"}) ASSERT_TRUE(make_private_directory(disk, directory / name).ok());
  EXPECT_EQ(cache_notice({directory / "state", directory / "cache"}), "");
  struct stat here = {}, there = {};
  ASSERT_EQ(::stat(directory.path().c_str(), &here), 0);
  ASSERT_EQ(::stat(elsewhere.path().c_str(), &there), 0);
  if (here.st_dev == there.st_dev) GTEST_SKIP() << "there is one filesystem only";
  const std::string notice = cache_notice({directory / "state", elsewhere.path()});
  EXPECT_NE(notice.find(elsewhere.path()), notice.npos) << notice;
}

}  // namespace
}  // namespace skymoor::client
