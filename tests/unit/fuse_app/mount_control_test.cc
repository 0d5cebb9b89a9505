#include "fuse/app/mount/mount_control.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/fuse_app/fake_engine.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class MountControlTest : public ::testing::Test {
 protected:
  std::vector<std::string> ask(const std::string& request, std::stop_token stop = {}) {
    std::vector<std::string> lines;
    control_.handle(
        request,
        [&](const std::string& line) {
          lines.push_back(line);
          return listening_;
        },
        stop);
    return lines;
  }

  SystemClock clock_;
  FakeEngine engine_;
  Result<Lsn> flushed_ = Lsn{42};
  bool listening_ = true;
  int stops_ = 0;
  MountControl control_{{MountFacts{}, engine_, clock_, [] { return BackingStore::Usage{}; }, [this] { return flushed_; },
                         [] { return PassthroughUse{}; }, [this] { ++stops_; },
                         [this](const std::string& program) {
                           handed_to_ = program;
                           return Status();
                         }}};
  std::string handed_to_;
};

TEST_F(MountControlTest, AnswersItsStatus) {
  auto lines = ask(status_request());
  ASSERT_EQ(lines.size(), 1u);
  auto status = read_control_answer(lines[0]);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(nlohmann::json::parse(*status)["pending"]["files"], 0);
}

TEST_F(MountControlTest, AnUpgradeNamesTheProgramThatGoesOn) {
  EXPECT_TRUE(read_control_answer(ask(upgrade_request("/opt/skymoor")).back()).ok());
  EXPECT_EQ(handed_to_, "/opt/skymoor");
}

TEST_F(MountControlTest, AProgramThatCannotTakeOverIsRefused) {
  EXPECT_EQ(read_control_answer(ask(R"({"op":"upgrade","program":"/opt/skymoor","format":0})").back()).error().code(),
            Code::kNotSupported);
  EXPECT_EQ(handed_to_, "");
}

TEST_F(MountControlTest, SyncWaitsForEverythingWrittenBeforeIt) {
  Lsn asked;
  engine_.on_sync = [&](Lsn lsn, Instant) {
    asked = lsn;
    return Status();
  };
  EXPECT_TRUE(read_control_answer(ask(sync_request({})).back()).ok());
  EXPECT_EQ(asked, Lsn{42});
}

TEST_F(MountControlTest, SyncTellsItsProgressUntilItIsDone) {
  int calls = 0;
  engine_.on_sync = [&](Lsn, Instant) -> Status {
    if (++calls < 3) return Error(Code::kTimedOut, "slice");
    return {};
  };
  auto lines = ask(sync_request(60s));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(nlohmann::json::parse(lines[0]).contains("progress"));
  EXPECT_TRUE(read_control_answer(lines.back()).ok());
}

TEST_F(MountControlTest, SyncWithATimeLimitWaitsForTheServerThatLongAndNoLonger) {
  engine_.on_sync = [](Lsn, Instant) -> Status { return Error(Code::kOffline, "no server"); };
  const auto start = std::chrono::steady_clock::now();
  auto answer = read_control_answer(ask(sync_request(300ms)).back());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kOffline);
  EXPECT_EQ(answer.error().message(), "no server");
  EXPECT_GE(std::chrono::steady_clock::now() - start, 250ms);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);

  engine_.state.online = true;
  engine_.on_sync = [](Lsn, Instant deadline) -> Status {
    std::this_thread::sleep_until(deadline);
    return Error(Code::kTimedOut, "slow");
  };
  EXPECT_EQ(read_control_answer(ask(sync_request(100ms)).back()).error().code(), Code::kTimedOut);
  // Out of time because there is no server: that is what a person must know.
  engine_.state.online = false;
  engine_.state.reason = "the server does not answer";
  auto away = read_control_answer(ask(sync_request(100ms)).back());
  EXPECT_EQ(away.error().code(), Code::kOffline);
  EXPECT_EQ(away.error().message(), "the server does not answer");
}

TEST_F(MountControlTest, WhatASyncCannotMendIsAnsweredAtOnce) {
  engine_.on_sync = [](Lsn, Instant) -> Status { return Error(Code::kUnknownServer, "stop and ask"); };
  EXPECT_EQ(read_control_answer(ask(sync_request({})).back()).error().code(), Code::kUnknownServer);
  flushed_ = Error(Code::kIo, "log");
  EXPECT_EQ(read_control_answer(ask(sync_request({})).back()).error().code(), Code::kIo);
}

TEST_F(MountControlTest, NobodyListeningEndsASync) {
  engine_.on_sync = [](Lsn, Instant) -> Status { return Error(Code::kTimedOut, "slice"); };
  listening_ = false;
  EXPECT_LE(ask(sync_request({})).size(), 2u);
}

TEST_F(MountControlTest, StopAndNonsense) {
  EXPECT_TRUE(read_control_answer(ask(stop_request()).back()).ok());
  EXPECT_EQ(stops_, 1);
  EXPECT_EQ(read_control_answer(ask(R"({"op":"dance"})").back()).error().code(), Code::kNotSupported);
  EXPECT_EQ(read_control_answer(ask("nonsense").back()).error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(read_control_answer("nonsense").ok());
}

}  // namespace
}  // namespace skymoor::client
