#include "fuse/app/control/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <future>

#include "tests/support/temp_dir.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

class EchoHandler final : public ControlHandler {
 public:
  void handle(const std::string& request, const Send& send, std::stop_token stop) override {
    ++requests;
    if (request == "count") {
      for (int i = 1; i <= 3; ++i) send("line " + std::to_string(i));
      return;
    }
    if (request == "hang") {
      while (!stop.stop_requested() && send("waiting")) std::this_thread::sleep_for(10ms);
      ++ended;
      return;
    }
    if (request == "flood") {
      while (send(std::string(10000, 'x'))) {}
      ++ended;
      return;
    }
    if (request == "nothing") return;
    send("echo " + request);
  }
  std::atomic<int> requests{0}, ended{0};
};

class ControlTest : public ::testing::Test {
 protected:
  void start() {
    auto server = ControlServer::start(path_, handler_);
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = std::move(*server);
  }
  testing::TempDir directory_;
  std::string path_ = directory_.path();
  EchoHandler handler_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlTest, AnswersRequests) {
  start();
  EXPECT_EQ(*control_call(path_, "hello", 5s), "echo hello");
  std::vector<std::string> lines;
  EXPECT_EQ(*control_call(path_, "count", 5s, {}, [&](const std::string& line) { lines.push_back(line); }), "line 3");
  EXPECT_EQ(lines, (std::vector<std::string>{"line 1", "line 2", "line 3"}));
  EXPECT_EQ(control_call(path_, "nothing", 5s).error().code(), Code::kOffline);
}

TEST_F(ControlTest, TheSocketIsForTheUserAloneAndGoesAway) {
  start();
  struct stat st = {};
  ASSERT_EQ(::stat((path_ + "/control.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  server_.reset();
  EXPECT_NE(::stat((path_ + "/control.sock").c_str(), &st), 0);
  EXPECT_EQ(control_call(path_, "hello", 5s).error().code(), Code::kNotFound);
}

TEST_F(ControlTest, ASocketLeftByADeadProcessIsReplaced) {
  start();
  std::filesystem::create_directory(path_ + "/dead");
  std::filesystem::rename(path_ + "/control.sock", path_ + "/dead/control.sock");
  server_.reset();
  EXPECT_EQ(control_call(path_ + "/dead", "hello", 5s).error().code(), Code::kNotFound);
  path_ += "/dead";
  start();
  EXPECT_EQ(*control_call(path_, "hello", 5s), "echo hello");
}

TEST_F(ControlTest, WorksInDirectoriesLongerThanASocketAddress) {
  path_ += "/" + std::string(150, 'd') + "/" + std::string(150, 'e');
  std::filesystem::create_directories(path_);
  start();
  EXPECT_EQ(*control_call(path_, "hello", 5s), "echo hello");
}

TEST_F(ControlTest, AnAskerThatGivesUpEndsItsRequest) {
  start();
  EXPECT_EQ(control_call(path_, "hang", 100ms).error().code(), Code::kTimedOut);
  for (int i = 0; i < 200 && handler_.ended == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(handler_.ended, 1);
  std::stop_source stop;
  auto call = std::async(std::launch::async, [&] { return control_call(path_, "hang", 60s, stop.get_token()); });
  std::this_thread::sleep_for(50ms);
  stop.request_stop();
  EXPECT_EQ(call.get().error().code(), Code::kCancelled);
}

TEST_F(ControlTest, StoppingEndsRequestsPromptly) {
  start();
  auto call = std::async(std::launch::async, [&] { return control_call(path_, "hang", 60s); });
  while (handler_.requests == 0) std::this_thread::sleep_for(5ms);
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  (void)call.get();
}

/// A stopped `skymoor sync` takes no more lines, and kept its mount from ending.
TEST_F(ControlTest, AnAskerThatTakesNothingHoldsNothingUp) {
  start();
  UniqueFd asker(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  (path_ + "/" + kControlSocket).copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(asker.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(asker.get(), "flood\n", 6, 0), 6);
  while (handler_.requests == 0) std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(handler_.ended, 0) << "nobody waits";
  auto end = std::async(std::launch::async, [&] { server_.reset(); });
  const bool ended = end.wait_for(60s) == std::future_status::ready;
  EXPECT_TRUE(ended);
  asker.reset();   // ends it in any case
  end.get();
  EXPECT_EQ(handler_.ended, 1);
}

TEST_F(ControlTest, TooLongARequestIsNotAnswered) {
  start();
  EXPECT_FALSE(control_call(path_, std::string(200000, 'x'), 5s).ok());
  EXPECT_EQ(handler_.requests, 0);
}

TEST_F(ControlTest, ManyAskAtOnce) {
  start();
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 24; ++i)
    calls.push_back(std::async(std::launch::async, [&] { return control_call(path_, "hello", 10s).ok(); }));
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

}  // namespace
}  // namespace skymoor::client
