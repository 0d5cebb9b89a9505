#include "fuse/app/state/session_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class SessionFileTest : public ::testing::Test {
 protected:
  testing::TempDir directory_;
  PosixDisk disk_;
  FileSessionStore store_{disk_, directory_ / "session.json", directory_ / "session.lock"};
  FileSessionStore other_{disk_, directory_ / "session.json", directory_ / "session.lock"};
};

TEST_F(SessionFileTest, TokensAreSharedAndPrivate) {
  EXPECT_EQ(store_.load().error().code(), Code::kUnauthenticated);
  const SessionTokens tokens{"refresh", "access", Timestamp(std::chrono::milliseconds(1700000000123))};
  ASSERT_TRUE(store_.replace(tokens, {}).ok());
  auto loaded = other_.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->refresh_token, "refresh");
  EXPECT_EQ(loaded->access_token, "access");
  EXPECT_EQ(loaded->access_expires, tokens.access_expires);
  struct stat st = {};
  ASSERT_EQ(::stat((directory_ / "session.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  ASSERT_TRUE(other_.remove({}).ok());
  EXPECT_EQ(store_.load().error().code(), Code::kUnauthenticated);
  EXPECT_TRUE(other_.remove({}).ok());
}

/// A login that cannot be renewed is lost, and with it what a full disk would be emptied by.
TEST_F(SessionFileTest, AFullDiskHasRoomForTheTokensThatFollow) {
  const std::string file = directory_ / "session.json";
  bool full = false;
  PosixDisk disk([&](const FaultPoint& point) { return full && point.name == "file.write" && point.detail != file ? ENOSPC : 0; });
  FileSessionStore store(disk, file, directory_ / "session.lock");
  ASSERT_TRUE(store.replace({"a long refresh token", "access", {}}, {}).ok());
  full = true;
  ASSERT_TRUE(store.replace({"refresh", "access", {}}, {}).ok());
  const auto loaded = store.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(loaded->refresh_token, "refresh");
}

TEST_F(SessionFileTest, OnlyOneHasTheTurn) {
  auto turn = store_.take_turn({});
  ASSERT_TRUE(turn.ok());
  EXPECT_EQ(other_.take_turn({100ms, {}}).error().code(), Code::kTimedOut);
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  EXPECT_EQ(other_.take_turn({10s, stop.get_token()}).error().code(), Code::kCancelled);
  turn->reset();
  EXPECT_TRUE(other_.take_turn({}).ok());
}

}  // namespace
}  // namespace skymoor::client
