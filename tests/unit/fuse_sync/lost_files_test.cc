// Files whose unsent bytes are gone, for a reason of their own each: what they become, and that others need not wait for them.
#include "tests/unit/fuse_sync/sync_fixture.h"

namespace skymoor::client {
namespace {

class LostFilesTest : public SyncEngineTest {
 protected:
  LostFilesTest() {
    EXPECT_TRUE(step().ok());
    a_.paths();
  }

  /// What a disk or a hand has taken while nobody looked.
  void take_away(const std::string& path) {
    char name[17];
    std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(a_.inode_of(path).value));
    a_.stop();
    std::size_t taken = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place_))
      if (entry.is_regular_file() && entry.path().string().find("/backing/") != std::string::npos &&
          entry.path().filename() == name)
        taken += std::filesystem::remove(entry.path());
    ASSERT_EQ(taken, 1u) << path;
  }
  Status step() {
    Status stepped;
    for (int i = 0; i < 20 && stepped.ok() && (i == 0 || a_.store().pending().records > 0); ++i) stepped = a_.engine().step();
    return stepped;
  }

  const std::string place_ = directory_ + "/alone";
  SyncDevice a_{volume_, "anna", 9, place_, {.stepped = true}};
};

TEST_F(LostFilesTest, AFileBecomesWhatTheServerHas) {
  const std::string sent = noise(3 << 20, 1);
  a_.write("f", sent);
  a_.set_mtime("f", Timestamp(std::chrono::seconds(1000)));
  ASSERT_TRUE(step().ok());
  a_.write("f", noise(100000, 2));
  take_away("f");
  a_.start();
  EXPECT_TRUE(a_.read("f") == sent);
  EXPECT_EQ(a_.node("f").attributes.mtime, Timestamp(std::chrono::seconds(1000)));
  ASSERT_TRUE(step().ok());
  EXPECT_EQ(a_.store().pending().files, 0u);
  EXPECT_TRUE(volume_.tree().at("f").bytes == sent);
  a_.check();
  a_.write("f", "goes on");
  ASSERT_TRUE(step().ok());
  EXPECT_EQ(volume_.tree().at("f").bytes, "goes on");
}

/// Zeros would be a content that nobody wrote; of a power cut they are what any disk leaves.
TEST_F(LostFilesTest, ANewFileIsAnErrorUnlessThePowerWasLost) {
  a_.write("f", noise(100000, 2));
  take_away("f");
  a_.start();
  EXPECT_THROW(a_.read("f"), std::runtime_error);
  const Status failed = step();
  ASSERT_FALSE(failed.ok());
  EXPECT_TRUE(failed.error().to_string().starts_with("'f' cannot be sent")) << failed.error().to_string();
  EXPECT_EQ(volume_.tree().at("f").bytes, "");   // as it was before it was written
  std::filesystem::copy(place_, place_ + " after a power cut", std::filesystem::copy_options::recursive);
  a_.abandon(place_ + " after a power cut", true);
  a_.start();
  EXPECT_EQ(a_.read("f"), std::string(100000, '\0'));
  ASSERT_TRUE(step().ok());
  a_.check();
}

TEST_F(LostFilesTest, OthersAreSentAsFarAsTheyCameBefore) {
  a_.remote().set_offline(true);
  a_.make_directory("d");
  for (int i = 0; i < 20; ++i) a_.write("before" + std::to_string(i), "x");
  a_.write("d/lost", noise(100000, 2));
  for (int i = 0; i < 20; ++i) a_.write("after" + std::to_string(i), "x");
  take_away("d/lost");
  a_.start();
  a_.remote().set_offline(false);
  for (int round = 0; round < 2; ++round) {
    const Status failed = step();
    ASSERT_FALSE(failed.ok());
    EXPECT_TRUE(failed.error().to_string().starts_with("'d/lost' cannot be sent")) << failed.error().to_string();
    EXPECT_TRUE(volume_.tree().contains("before19"));
    EXPECT_FALSE(volume_.tree().contains("after0"));
  }
  a_.write("d/lost", "anew");
  ASSERT_TRUE(step().ok());
  EXPECT_EQ(a_.store().pending().records, 0u);
  EXPECT_EQ(volume_.tree().size(), 42u);
  EXPECT_EQ(volume_.tree().at("d/lost").bytes, "anew");
  a_.check();
}

TEST_F(LostFilesTest, ADeletionIsAWayOut) {
  a_.write("lost", noise(100000, 2));
  a_.write("after", "x");
  take_away("lost");
  a_.start();
  ASSERT_FALSE(step().ok());
  a_.unlink("lost");
  ASSERT_TRUE(step().ok());
  EXPECT_EQ(keys(volume_.tree()), std::vector<std::string>{"after"});
  a_.check();
}

/// A file that was changed in part, whose other blocks the server has lost.
TEST_F(LostFilesTest, BlocksThatTheServerHasLostAreToldOfByName) {
  SyncDevice& b = device("berta");
  b.write("f", noise(8 << 20, 1));
  b.sync();
  ASSERT_TRUE(step().ok());
  a_.write_at("f", 100, "changed");
  volume_.server.drop_blocks();
  a_.write("after", "x");
  const Status failed = step();
  ASSERT_FALSE(failed.ok());
  EXPECT_TRUE(failed.error().to_string().starts_with("'f' cannot be sent")) << failed.error().to_string();
  EXPECT_TRUE(failed.error().to_string().find("the server cannot give block") != std::string::npos) << failed.error().to_string();
  a_.write("f", "anew");
  ASSERT_TRUE(step().ok());
  EXPECT_EQ(volume_.tree().at("f").bytes, "anew");
}

}  // namespace
}  // namespace skymoor::client
