#include "fuse/app/command_line/mount_options.h"

#include <gtest/gtest.h>

namespace skymoor::client {
namespace {

TEST(MountOptions, DefaultsHoldWithoutAnyOption) {
  auto options = parse_mount_options({});
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->read_only());
  EXPECT_EQ(options->settings.number("cache-size"), 10ll << 30);
  EXPECT_EQ(options->settings.text("fsync"), "local");
  EXPECT_EQ(options->settings.text("owners"), "");
  EXPECT_TRUE(options->kernel_options.empty());
}

TEST(MountOptions, OwnOptionsAreRead) {
  auto options = parse_mount_options({"ro,allow_other,cache-size=50GiB", "owners=mine,read-timeout=5s,fsync=remote"});
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_TRUE(options->read_only());
  EXPECT_TRUE(options->settings.flag("allow_other"));
  EXPECT_EQ(options->settings.number("cache-size"), 50ll << 30);
  EXPECT_EQ(options->settings.number("read-timeout"), 5000);
  EXPECT_EQ(options->settings.text("owners"), "mine");
  EXPECT_EQ(options->settings.text("fsync"), "remote");
}

TEST(MountOptions, TheLastOfAKindCounts) {
  EXPECT_FALSE(parse_mount_options({"ro,rw"})->read_only());
  EXPECT_TRUE(parse_mount_options({"rw", "ro"})->read_only());
}

TEST(MountOptions, StandardOptionsOfMountAreTakenOrPassedOn) {
  auto options = parse_mount_options(
      {"defaults,rw,_netdev,nofail,noauto,user,users,relatime,noatime,nodiratime,lazytime,strictatime,x-systemd.automount,"
       "x-gvfs-show,comment=mine,user=ada,_rnetdev,sloppy,iversion,symfollow,nosuid,nodev,noexec"});
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(options->kernel_options, (std::vector<std::string>{"nosuid", "nodev", "noexec"}));
}

TEST(MountOptions, AccessTimesAreThoseOfMount) {
  using Times = Filesystem::AccessTimes;
  EXPECT_EQ(parse_mount_options({})->access_times, Times::kRelative);
  EXPECT_EQ(parse_mount_options({"noatime"})->access_times, Times::kNever);
  EXPECT_EQ(parse_mount_options({"strictatime"})->access_times, Times::kStrict);
  EXPECT_EQ(parse_mount_options({"noatime", "relatime"})->access_times, Times::kRelative);
  EXPECT_TRUE(parse_mount_options({"strictatime"})->directory_access_times);
  EXPECT_FALSE(parse_mount_options({"nodiratime"})->directory_access_times);
  EXPECT_TRUE(parse_mount_options({"nodiratime,diratime"})->directory_access_times);
}

TEST(MountOptions, CoherenceIsByPushUnlessAskedFor) {
  EXPECT_EQ(parse_mount_options({})->settings.text("coherence"), "push");
  EXPECT_EQ(parse_mount_options({"coherence=open"})->settings.text("coherence"), "open");
  EXPECT_FALSE(parse_mount_options({"coherence=always"}).ok());
}

TEST(MountOptions, AMisspeltOptionIsRefusedWithASuggestion) {
  auto options = parse_mount_options({"cache-sise=1GiB"});
  ASSERT_FALSE(options.ok());
  EXPECT_EQ(options.error().code(), Code::kInvalidArgument);
  EXPECT_NE(options.error().message().find("cache-size"), std::string::npos) << options.error().message();
  EXPECT_NE(parse_mount_options({"allow-other"}).error().message().find("allow_other"), std::string::npos);
}

TEST(MountOptions, AnUnknownOptionIsNamedAndToldWhereTheListIs) {
  const std::string why = parse_mount_options({"uid=0"}).error().message();
  EXPECT_NE(why.find("unknown mount option 'uid'"), std::string::npos) << why;
  EXPECT_NE(why.find("skymoor mount --help"), std::string::npos) << why;
}

TEST(MountOptions, ARemountIsRefusedWithWhatToDoInstead) {
  const auto options = parse_mount_options({"remount,ro"});
  ASSERT_FALSE(options.ok());
  EXPECT_EQ(options.error().code(), Code::kNotSupported);
  EXPECT_NE(options.error().message().find("unmount it and mount it again"), std::string::npos);
}

TEST(MountOptions, BadValuesAreRefused) {
  for (const char* bad : {"cache-size=much", "cache-size=1KiB", "owners=theirs", "threads=0", "read-timeout=-1",
                          "passthrough=maybe", "cache-size", "owners", "ro=perhaps", "no-such-thing"})
    EXPECT_FALSE(parse_mount_options({bad}).ok()) << bad;
  EXPECT_NE(parse_mount_options({"cache-size"}).error().message().find("needs a value"), std::string::npos);
}

TEST(MountOptions, ACommaInAValueIsEscaped) {
  EXPECT_EQ(parse_mount_options({"state-dir=/a\\,b,ro"})->settings.text("state-dir"), "/a,b");
}

TEST(MountOptions, HelpNamesEveryOption) {
  const std::string help = mount_options_help();
  for (const Setting& setting : MountOptions().settings.table())
    EXPECT_NE(help.find(std::string(setting.name)), std::string::npos) << setting.name;
}

}  // namespace
}  // namespace skymoor::client
