#include "fuse/app/host/mount_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

constexpr const char* kTable =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:40 / /home/a\\040b rw,nosuid shared:9 master:2 - fuse.skymoor skymoor:my\\040home rw,user_id=0\n"
    "31 22 0:41 / /home rw - tmpfs tmpfs rw\n"
    "broken line\n";

TEST(MountTable, IsReadWithItsEscapes) {
  const auto table = parse_mount_table(kTable);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table[1].mount_point, "/home/a b");
  EXPECT_EQ(table[1].type, "fuse.skymoor");
  EXPECT_EQ(table[1].source, "skymoor:my home");
  EXPECT_EQ(table[0].device, 8u << 20 | 1u);
  EXPECT_EQ(table[1].device, 40u);
}

TEST(MountTable, TheLongestMountPointHoldsAPath) {
  const auto table = parse_mount_table(kTable);
  EXPECT_EQ(mount_holding(table, "/home/a b/c/d")->type, "fuse.skymoor");
  EXPECT_EQ(mount_holding(table, "/home/a b")->type, "fuse.skymoor");
  EXPECT_EQ(mount_holding(table, "/home/a bc")->type, "tmpfs");
  EXPECT_EQ(mount_holding(table, "/etc")->type, "ext4");
}

TEST(MountTable, OurOwnCanBeRead) {
  auto table = read_mount_table();
  ASSERT_TRUE(table.ok());
  EXPECT_NE(mount_holding(*table, "/proc"), nullptr);
}

TEST(MountPoint, AnEmptyDirectoryIsFit) {
  testing::TempDir directory;
  const std::string real = std::filesystem::canonical(directory.path()).string();
  EXPECT_EQ(*check_mount_point(directory.path(), false), real);
  EXPECT_EQ(*check_mount_point(directory.path() + "/.//", false), real);
  std::filesystem::create_directory_symlink(directory.path(), directory.path() + "-link");
  EXPECT_EQ(*check_mount_point(directory.path() + "-link", false), real);
  std::filesystem::remove(directory.path() + "-link");
}

TEST(MountPoint, WhatIsNotFitIsRefusedWithWhatToDo) {
  testing::TempDir directory;
  auto refusal = [](const std::string& path) {
    auto checked = check_mount_point(path, false);
    EXPECT_FALSE(checked.ok()) << path;
    return checked.ok() ? Error(Code::kInternal, "") : checked.error();
  };
  const Error missing = refusal(directory / "missing");
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_NE(missing.message().find("mkdir"), std::string::npos);
  std::ofstream(directory / "file") << "x";
  EXPECT_EQ(refusal(directory / "file").code(), Code::kNotDirectory);
  EXPECT_EQ(refusal(directory.path()).code(), Code::kNotEmpty);
  EXPECT_NE(refusal(directory.path()).message().find("nonempty"), std::string::npos);
  EXPECT_TRUE(check_mount_point(directory.path(), true).ok());
}

}  // namespace
}  // namespace skymoor::client
