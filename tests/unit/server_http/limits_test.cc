#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "server_fixture.h"
#include "shared/base/fd.h"

namespace skymoor::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Limits : public HttpServerTest {};

TEST_F(Limits, WhatCanBeReadInTwoWaysIsRefused) {
  open(options());
  std::string post = "POST /echo HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: 3, 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: +3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: 0x3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Content-Length: 99999999999999999999\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: identity\r\n\r\n"), 400);
  EXPECT_EQ(status_of(post + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/1.1\r\nHost : h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/1.1\r\nHost: h\r\nX: a\nb\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello HTTP/2.0\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /hello\r\n\r\n"), 400);
  EXPECT_EQ(status_of(std::string("\x16\x03\x01\x02\x00garbage\r\n\r\n", 16)), 400);
}

TEST_F(Limits, OnlyOriginFormTargetsAreServed) {
  open(options());
  for (std::string target : {"http://localhost/hello", "*", "hello", "/hello/../hello", "//hello", "/./hello",
                             "/hello/", "/item/%2e%2e", "/item/..%2f..%2fetc", "/item/%00", "/item/..%c0%af",
                             "/item/%zz", "/item/a%5cb", "/item/a\\b", "/item/x#y", "/item/1?q=1&q=2"})
    EXPECT_EQ(status_of("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n"), 400) << target;
  EXPECT_EQ(status_of("CONNECT localhost:80 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /item/" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 413);
}

TEST_F(Limits, LargeHeadsAreRefused) {
  open(options());
  std::string get = "GET /hello HTTP/1.1\r\nHost: h\r\n";
  std::string hundred;
  for (int i = 0; i < 99; ++i) hundred += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(status_of(get + hundred + "\r\n"), 200);
  EXPECT_EQ(status_of(get + hundred + "Y: 1\r\n\r\n"), 431);
  EXPECT_EQ(status_of(get + "X: " + std::string(16'000, 'x') + "\r\n\r\n"), 200);
  EXPECT_EQ(status_of(get + "X: " + std::string(17'000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status_of(get + "X: " + std::string(1'000'000, 'x')), 431);
}

TEST_F(Limits, BodiesOverTheRoutesLimitAreRefused) {
  open(options());
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n"), 413);
  EXPECT_EQ(status_of("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000000000000000\r\n\r\n"), 413);
}

TEST_F(Limits, ASlowHeadEndsTheConnection) {
  auto with = options();
  with.header_timeout = milliseconds(200);
  open(std::move(with));
  RawHttp client = connect();
  auto start = std::chrono::steady_clock::now();
  bool ended = false;
  // A byte every 20 ms keeps a timeout between bytes happy for ever: the head as a whole has a deadline.
  for (int i = 0; i < 100 && !ended; ++i) {
    client.send("G");
    ended = client.ends_within(milliseconds(20));
  }
  EXPECT_TRUE(ended);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
}

TEST_F(Limits, ASilentHandshakeEndsTheConnection) {
  auto with = options();
  with.tls = identity();
  with.header_timeout = milliseconds(100);
  open(std::move(with));
  RawHttp client(server->port(), Security::kPlain);
  EXPECT_TRUE(client.ends_within(seconds(2)));
}

TEST_F(Limits, IdleConnectionsEnd) {
  auto with = options();
  with.idle_timeout = milliseconds(150);
  open(std::move(with));
  RawHttp client = connect();
  EXPECT_EQ(client.exchange("GET", "/hello")->status, 200);
  EXPECT_TRUE(client.ends_within(seconds(2)));
}

TEST_F(Limits, AStalledBodyEndsTheRequest) {
  auto with = options();
  with.body_timeout = milliseconds(150);
  open(std::move(with));
  RawHttp client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nstall");
  EXPECT_TRUE(client.ends_within(seconds(2)));
  EXPECT_TRUE(eventually([&] { return server->gauges().body_memory_bytes == 0; }));
}

TEST_F(Limits, ATricklingBodyHasADeadlineInAll) {
  auto with = options();
  with.body_timeout = milliseconds(200);
  with.min_body_bytes_per_second = 1u << 30;
  open(std::move(with));
  RawHttp client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
  bool ended = false;
  for (int i = 0; i < 100 && !ended; ++i) {
    client.send("x");
    ended = client.ends_within(milliseconds(20));
  }
  EXPECT_TRUE(ended);
}

TEST_F(Limits, AClientThatDoesNotReadIsDropped) {
  auto with = options();
  with.write_timeout = milliseconds(200);
  open(std::move(with));
  RawHttp client(server->port(), Security::kPlain, /*receive_buffer=*/8192);
  client.request("GET", "/flood");
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 1; }));
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
}

TEST_F(Limits, ConnectionsOverTheLimitAreClosed) {
  auto with = options();
  with.max_connections = 3;
  open(std::move(with));
  std::vector<std::unique_ptr<RawHttp>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawHttp>(server->port(), security));
    EXPECT_EQ(clients.back()->exchange("GET", "/hello")->status, 200);
  }
  RawHttp fourth = connect();
  EXPECT_TRUE(fourth.ends_within(seconds(2)));
  EXPECT_GE(server->gauges().refused_connections, 1u);
  EXPECT_EQ(clients[0]->exchange("GET", "/hello")->status, 200);
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 2; }));
  EXPECT_EQ(connect().exchange("GET", "/hello")->status, 200);
}

TEST_F(Limits, OneNetworkDoesNotTakeAllConnections) {
  auto with = options();
  with.max_connections = 8;
  open(std::move(with));
  std::vector<std::unique_ptr<RawHttp>> of_one, of_others;
  const auto serves = [&](std::vector<std::unique_ptr<RawHttp>>& clients, const char* from) {
    clients.push_back(std::make_unique<RawHttp>(server->port(), security, 0, from));
    const auto answer = clients.back()->exchange("GET", "/hello");
    if (!answer) clients.pop_back();
    return answer.has_value();
  };
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(serves(of_one, i % 2 == 0 ? "127.0.1.1" : "127.0.1.2")) << i;
  EXPECT_FALSE(serves(of_one, "127.0.1.3"));
  EXPECT_TRUE(serves(of_others, "127.0.2.1"));
  EXPECT_FALSE(serves(of_one, "127.0.1.1"));
  EXPECT_EQ(server->gauges().refused_connections, 2u);
  of_one.resize(4);
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 5; }));
  EXPECT_TRUE(serves(of_one, "127.0.1.3"));   // there is room again
  EXPECT_TRUE(serves(of_others, "127.0.2.1"));
  EXPECT_TRUE(serves(of_others, "127.0.3.1"));
  EXPECT_FALSE(serves(of_others, "127.0.4.1"));   // full
}

TEST_F(Limits, AProxyMayHaveAllConnections) {
  auto with = options();
  with.max_connections = 8;
  with.trusted_proxies = *TrustedProxies::parse("127.0.0.1");
  open(std::move(with));
  std::vector<std::unique_ptr<RawHttp>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawHttp>(server->port(), security));
    ASSERT_TRUE(clients.back()->exchange("GET", "/hello")) << i;
  }
  EXPECT_TRUE(connect().ends_within(seconds(2)));
}

TEST_F(Limits, AFullQueueAnswers503) {
  auto with = options();
  with.worker_threads = 1;
  with.worker_queue = 1;
  open(std::move(with));
  RawHttp running = connect(), queued = connect(), third = connect();
  running.request("GET", "/wait");
  ASSERT_TRUE(eventually([&] { return waiting == 1; }));
  queued.request("GET", "/wait");
  ASSERT_TRUE(eventually([&] { return server->gauges().queued_requests == 1; }));
  auto busy = third.exchange("GET", "/hello");
  EXPECT_EQ(busy->status, 503);
  EXPECT_FALSE(busy->header("Retry-After").empty());
  EXPECT_EQ(third.exchange("GET", "/inline")->status, 200);  // health checks do not wait for workers
  release();
  EXPECT_EQ(running.answer()->status, 200);
  EXPECT_EQ(queued.answer()->status, 200);
}

TEST_F(Limits, WithoutDescriptorsItWaitsAndThenServesWhoCame) {
  open(options());
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto idle = descriptors();
  ASSERT_EQ(connect().exchange("GET", "/hello")->status, 200);
  ASSERT_TRUE(eventually([&] { return descriptors() == idle; }));
  struct Restored {
    rlimit before{};
    ~Restored() { ::setrlimit(RLIMIT_NOFILE, &before); }
  } restored;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &restored.before), 0);
  // Fills the gaps, so that the lowest three that are free follow each other.
  std::vector<UniqueFd> taken;
  for (int in_a_row = 0; in_a_row < 3;) {
    const int before = taken.empty() ? -1 : taken.back().get();
    taken.emplace_back(::dup(0));
    ASSERT_GE(taken.back().get(), 0);
    in_a_row = taken.back().get() == before + 1 ? in_a_row + 1 : 1;
  }
  const int next = taken.back().get() - 2;
  taken.resize(taken.size() - 3);
  rlimit few = restored.before;
  few.rlim_cur = static_cast<rlim_t>(next) + 3;   // two ends of one connection and one end of another
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto first = std::make_unique<RawHttp>(server->port(), security);
  EXPECT_EQ(first->exchange("GET", "/hello")->status, 200);
  RawHttp second = connect();
  EXPECT_LT(::dup(0), 0) << "there are descriptors left: nothing was tested";
  const auto busy = [] { return std::chrono::nanoseconds(std::clock() * (1'000'000'000 / CLOCKS_PER_SEC)); };
  const auto started = busy();
  second.request("GET", "/hello");
  std::this_thread::sleep_for(milliseconds(400));
  EXPECT_LT(busy() - started, milliseconds(200)) << "it spins";
  EXPECT_EQ(first->exchange("GET", "/hello")->status, 200);   // who is there goes on
  first.reset();
  auto late = second.answer();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 200);
}

// Random bytes and cut or changed requests: an answer or an end of the connection, never a crash or a hang.
TEST_F(Limits, GarbageIsSurvived) {
  auto with = options();
  with.header_timeout = with.body_timeout = milliseconds(100);
  open(std::move(with));
  std::string good = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  std::uint64_t state = 7;
  auto next = [&] { return state = state * 6364136223846793005ull + 1442695040888963407ull, state >> 33; };
  for (int i = 0; i < 5000; ++i) {
    std::string text = good;
    for (int changes = 1 + static_cast<int>(next() % 3); changes > 0; --changes)
      text[next() % text.size()] = static_cast<char>(next());
    RawHttp client = connect();
    client.send(text);
    client.half_close();
    EXPECT_TRUE(client.ends_within(seconds(5))) << i;
  }
  EXPECT_EQ(connect().exchange("GET", "/hello")->status, 200);
}

}  // namespace
}  // namespace skymoor::server
