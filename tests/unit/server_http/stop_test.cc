#include "server_fixture.h"

namespace skymoor::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Stop : public HttpServerTest {};

TEST_F(Stop, FinishesWhatRunsAndEndsWhatIsIdle) {
  open(options());
  RawHttp idle = connect(), running = connect(), listening = connect();
  EXPECT_EQ(idle.exchange("GET", "/hello")->status, 200);
  listening.request("GET", "/events");
  ASSERT_TRUE(listening.head());
  running.request("GET", "/wait");
  ASSERT_TRUE(eventually([&] { return waiting == 1; }));

  std::uint16_t port = server->port();
  std::jthread stopper([&] { server->stop(seconds(10)); });
  EXPECT_TRUE(idle.ends_within(seconds(2)));
  EXPECT_TRUE(listening.ends_within(seconds(3)));
  EXPECT_THROW(RawHttp(port, security), std::runtime_error);
  release();
  auto answer = running.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "{\"waited\":true}");
  EXPECT_EQ(answer->header("Connection"), "close");
  stopper.join();
  EXPECT_EQ(server->gauges().connections, 0u);
  EXPECT_EQ(resources_gone, 1);
}

TEST_F(Stop, CutsWhatDoesNotEndInTime) {
  open(options());
  RawHttp stalled = connect();
  stalled.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstall");
  ASSERT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 100; }));
  auto start = std::chrono::steady_clock::now();
  server->stop(milliseconds(200));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(3));
  EXPECT_TRUE(stalled.ends_within(seconds(1)));
}

TEST_F(Stop, UnderLoadLosesNoAnswerThatWasBegun) {
  auto with = options();
  with.io_threads = 2;
  open(std::move(with));
  std::atomic<int> bad{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 6; ++i)
    clients.emplace_back([&] {
      try {
        for (;;) {
          RawHttp client = connect();
          while (auto answer = client.exchange("POST", "/echo", "hello"))
            if (answer->status != 200 || answer->body != "hello") ++bad;
        }
      } catch (const std::runtime_error&) {
        // The port is closed: done.
      }
    });
  std::this_thread::sleep_for(milliseconds(200));
  server->stop(seconds(5));
  clients.clear();
  EXPECT_EQ(bad, 0);
}

TEST_F(Stop, IsIdempotent) {
  open(options());
  server->stop(milliseconds(10));
  server->stop(milliseconds(10));
  server.reset();
}

}  // namespace
}  // namespace skymoor::server
