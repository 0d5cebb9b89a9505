#include "fuse/app/host/background.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class BackgroundTest : public ::testing::Test {
 protected:
  std::string read(const std::string& name) {
    std::ifstream file(directory_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool appears(const std::string& name, const std::string& content) {
    for (int i = 0; i < 3000; ++i, std::this_thread::sleep_for(10ms))
      if (read(name) == content) return true;
    return false;
  }
  testing::TempDir directory_;
  const std::string log_ = directory_ / "log";
};

TEST_F(BackgroundTest, TheParentReturnsWhenTheChildIsReadyAndTheChildLivesOn) {
  const std::string done = directory_ / "done";
  const Status started = run_in_background(log_, [&](StartReport& report) {
    EXPECT_TRUE(report.ready().ok());
    if (appears("parent", "has returned")) std::ofstream(done) << "lived on";
    return 0;
  });
  EXPECT_TRUE(started.ok()) << started.error().message();
  std::ofstream(directory_ / "parent") << "has returned";
  EXPECT_TRUE(appears("done", "lived on"));
}

TEST_F(BackgroundTest, TheChildsErrorIsTheParents) {
  const Status started = run_in_background(log_, [&](StartReport& report) {
    report.failed(Error(Code::kBusy, "volume is mounted").wrap("cannot start"));
    return 1;
  });
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code(), Code::kBusy);
  EXPECT_EQ(started.error().message(), "cannot start: volume is mounted");
}

TEST_F(BackgroundTest, AChildThatDiesWithoutAWordIsAnErrorThatNamesTheLog) {
  const Status started = run_in_background(log_, [&](StartReport&) {
    std::fprintf(stderr, "last words\n");
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code(), Code::kInternal);
  EXPECT_NE(started.error().message().find(log_), std::string::npos);
  EXPECT_EQ(read("log"), "last words\n");
}

TEST_F(BackgroundTest, TheChildBelongsToNoTerminalAndKeepsNoPipeOpen) {
  const std::string file = directory_ / "session";
  const pid_t here = ::getsid(0);
  const Status started = run_in_background(log_, [&](StartReport& report) {
    std::ofstream(file) << (::getsid(0) == here ? "same" : "own") << (::isatty(0) ? " tty" : " none");
    (void)report.ready();
    return 0;
  });
  EXPECT_TRUE(started.ok());
  EXPECT_TRUE(appears("session", "own none")) << read("session");
}

}  // namespace
}  // namespace skymoor::client
