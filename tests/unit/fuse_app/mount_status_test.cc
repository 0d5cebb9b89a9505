#include "fuse/app/mount/mount_status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class MountStatusTest : public ::testing::Test {
 protected:
  MountStatusTest() {
    facts_.volume = "home";
    facts_.mount_point = "/mnt/dri\"ve";
    facts_.log_file = "/state/log/mount.log";
    facts_.pid = 42;
  }
  nlohmann::json encode() { return nlohmann::json::parse(encode_mount_status(facts_, sync_, cache_, passthrough_, now_)); }

  MountFacts facts_;
  SyncStatus sync_;
  BackingStore::Usage cache_{100, 200, 300};
  PassthroughUse passthrough_{true, 3, 0, ""};
  Timestamp now_ = Timestamp(1700000000s);
};

TEST_F(MountStatusTest, HasTheFieldsThatScriptsUse) {
  sync_.online = true;
  sync_.since = now_ - 60s;
  sync_.pending = {3, 2, 1000, now_ - 30s};
  sync_.transfers = {{true, InodeId{5}, "a/b", 25, 100}};
  sync_.uploaded_bytes = 7;
  sync_.uploaded_blocks = 1;
  const auto json = encode();
  EXPECT_EQ(json["mount_point"], "/mnt/dri\"ve");
  EXPECT_EQ(json["pid"], 42);
  EXPECT_EQ(json["online"], true);
  EXPECT_EQ(json["since"], "2023-11-14T22:12:20Z");
  EXPECT_TRUE(json["offline_reason"].is_null());
  EXPECT_EQ(json["pending"]["records"], 3);
  EXPECT_EQ(json["pending"]["files"], 2);
  EXPECT_EQ(json["pending"]["oldest_age_s"], 30);
  EXPECT_EQ(json["transfers"][0]["percent"], 25);
  EXPECT_EQ(json["uploaded"]["bytes"], 7);
  EXPECT_EQ(json["uploaded"]["blocks"], 1);
  EXPECT_EQ(json["cache"]["limit_bytes"], 300);
  EXPECT_EQ(json["passthrough"], true);
  EXPECT_EQ(json["passthrough_files"], 3);
  EXPECT_EQ(json["passthrough_refused"], 0);
  EXPECT_TRUE(json["passthrough_refusal"].is_null());
}

// A cache directory on another disk was passed over without a word.
TEST_F(MountStatusTest, SaysWhereTheCacheIsNot) {
  EXPECT_TRUE(encode()["cache"]["notice"].is_null());
  facts_.cache_notice = "cached files are kept in /state too";
  EXPECT_EQ(encode()["cache"]["notice"], facts_.cache_notice);
  const auto text = describe_mount_status(encode_mount_status(facts_, sync_, cache_, passthrough_, now_)).value();
  EXPECT_NE(text.find(facts_.cache_notice), text.npos) << text;
}

// The kernel had agreed, and took no file: the mount said "passthrough" and was slow.
TEST_F(MountStatusTest, SaysWhenTheKernelTakesNoFiles) {
  passthrough_ = {true, 0, 7, "Operation not permitted"};
  EXPECT_EQ(encode()["passthrough_refused"], 7);
  EXPECT_EQ(encode()["passthrough_refusal"], "Operation not permitted");
  const auto text = describe_mount_status(encode_mount_status(facts_, sync_, cache_, passthrough_, now_)).value();
  EXPECT_NE(text.find("passthrough refused for 7 opens (Operation not permitted)"), text.npos) << text;
}

TEST_F(MountStatusTest, OfflineAlwaysHasAReason) {
  EXPECT_EQ(encode()["online"], false);
  EXPECT_EQ(encode()["offline_reason"], "not connected yet");
  sync_.reason = "the server does not answer";
  EXPECT_EQ(encode()["offline_reason"], "the server does not answer");
  // Stopped is not online, whatever the connection does.
  sync_.online = true;
  sync_.stopped = true;
  EXPECT_EQ(encode()["online"], false);
}

// Found by reading: what kept an online device from sending (a full quota, say) was told by nobody.
TEST_F(MountStatusTest, WhatAnOnlineDeviceWaitsForIsTold) {
  sync_.online = true;
  EXPECT_TRUE(encode()["waits_for"].is_null());
  sync_.reason = "the quota is used up";
  EXPECT_EQ(encode()["waits_for"], "the quota is used up");
  EXPECT_TRUE(encode()["offline_reason"].is_null());
  const auto text = describe_mount_status(encode_mount_status(facts_, sync_, cache_, PassthroughUse{}, now_)).value();
  EXPECT_NE(text.find("online; sending and receiving wait: the quota is used up"), std::string::npos) << text;
}

TEST_F(MountStatusTest, IsToldToPeople) {
  sync_.reason = "the server does not answer";
  sync_.pending = {1, 1, 2048, now_ - 90s};
  sync_.transfers = {{false, InodeId{5}, "big.bin", 50, 200}};
  sync_.conflicts = 1;
  auto text = describe_mount_status(encode_mount_status(facts_, sync_, cache_, PassthroughUse{}, now_));
  ASSERT_TRUE(text.ok()) << text.error().message();
  for (const char* part : {"home on /mnt/dri\"ve", "offline: the server does not answer",
                           "1 change, 1 file, 2.0 KiB, the oldest 1 min 30 s old", "25 % of 200 B  big.bin",
                           "1 copy was kept", "42, no passthrough"})
    EXPECT_NE(text->find(part), std::string::npos) << part << "\n" << *text;
  EXPECT_FALSE(describe_mount_status("{}").ok());
  EXPECT_FALSE(describe_mount_status("nonsense").ok());
}

TEST_F(MountStatusTest, AThreadThatIsStuckIsNamed) {
  EXPECT_TRUE(encode()["stuck"].empty());
  facts_.stuck = [] { return std::vector<Watchdog::Stuck>{{"fuse-1", std::chrono::seconds(45), "fdatasync < do_fsync"}}; };
  EXPECT_EQ(encode()["stuck"][0]["thread"], "fuse-1");
  EXPECT_EQ(encode()["stuck"][0]["seconds"], 45);
  EXPECT_EQ(encode()["stuck"][0]["stack"], "fdatasync < do_fsync");
  auto text = describe_mount_status(encode_mount_status(facts_, sync_, cache_, PassthroughUse{}, now_));
  ASSERT_TRUE(text.ok());
  EXPECT_NE(text->find("stuck     thread fuse-1 for 45 s: fdatasync"), std::string::npos) << *text;
}

}  // namespace
}  // namespace skymoor::client
