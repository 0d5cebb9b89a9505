#include "server_fixture.h"

namespace skymoor::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class Streams : public HttpServerTest {
 protected:
  std::shared_ptr<EventStream> newest() {
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(streams_mutex);
      return !streams.empty();
    }));
    std::lock_guard lock(streams_mutex);
    return streams.back();
  }
};

TEST_F(Streams, EventsArriveAsTheyAreSent) {
  auto with = options();
  with.tls = identity();
  open(std::move(with));
  RawHttp client = connect();
  client.request("GET", "/events");
  auto head = client.head();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->header("Content-Type"), "text/event-stream");
  EXPECT_EQ(head->header("Content-Length"), "");
  auto stream = newest();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(stream->send(format_event("change", std::to_string(i))));
    auto event = client.read_until("\n\n");
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, "event: change\ndata: " + std::to_string(i) + "\n\n");
  }
  EXPECT_EQ(server->gauges().streams, 1u);
}

TEST_F(Streams, PingsKeepTheConnectionAlive) {
  auto with = options();
  with.stream_ping = milliseconds(30);
  with.idle_timeout = with.header_timeout = milliseconds(100);
  open(std::move(with));
  RawHttp client = connect();
  client.request("GET", "/events");
  ASSERT_TRUE(client.head());
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(client.read_until(": ping\n\n"));
}

TEST_F(Streams, AClientThatGoesFreesItsStream) {
  open(options());
  {
    RawHttp client = connect();
    client.request("GET", "/events");
    ASSERT_TRUE(client.head());
    EXPECT_EQ(server->gauges().streams, 1u);
  }
  EXPECT_TRUE(eventually([&] { return server->gauges().streams == 0 && resources_gone == 1; }));
  EXPECT_FALSE(newest()->send("late"));
  EXPECT_TRUE(eventually([&] { return server->gauges().connections == 0; }));
}

TEST_F(Streams, ClosingEndsTheConnectionAfterWhatWasSent) {
  open(options());
  RawHttp client = connect();
  client.request("GET", "/events");
  ASSERT_TRUE(client.head());
  auto stream = newest();
  stream->send(format_event("change", "last"));
  stream->close();
  EXPECT_TRUE(client.read_until("last\n\n"));
  EXPECT_TRUE(client.ends_within(seconds(2)));
  EXPECT_EQ(resources_gone, 1);
}

TEST_F(Streams, ALifetimeEndsTheStream) {
  auto with = options();
  with.stream_ping = milliseconds(20);
  with.stream_lifetime = milliseconds(100);
  open(std::move(with));
  RawHttp client = connect();
  client.request("GET", "/events");
  ASSERT_TRUE(client.head());
  EXPECT_TRUE(client.ends_within(seconds(2)));
}

TEST_F(Streams, CapsPerOwnerAndInAll) {
  auto with = options();
  with.max_streams = 3;
  with.max_streams_per_owner = 2;
  open(std::move(with));
  std::vector<std::unique_ptr<RawHttp>> clients;
  auto status = [&](const std::string& owner) {
    clients.push_back(std::make_unique<RawHttp>(server->port(), security));
    clients.back()->request("GET", "/events?owner=" + owner);
    return clients.back()->head()->status;
  };
  EXPECT_EQ(status("ada"), 200);
  EXPECT_EQ(status("ada"), 200);
  EXPECT_EQ(status("ada"), 429);
  EXPECT_EQ(status("bob"), 200);
  EXPECT_EQ(status("eve"), 429);
  clients.erase(clients.begin());
  EXPECT_TRUE(eventually([&] { return server->gauges().streams == 2; }));
  EXPECT_EQ(status("eve"), 200);
}

TEST_F(Streams, ASlowReaderIsDroppedAndOthersGoOn) {
  auto with = options();
  with.write_timeout = milliseconds(300);
  open(std::move(with));
  RawHttp slow(server->port(), Security::kPlain, /*receive_buffer=*/4096);
  slow.request("GET", "/events");
  ASSERT_TRUE(slow.head());
  auto stream = newest();
  bool accepted = true;
  for (int i = 0; i < 20'000 && accepted; ++i) {
    accepted = stream->send(format_event("change", std::string(8000, 'x')));
    if (i % 7 == 0) std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(accepted);
  EXPECT_TRUE(eventually([&] { return server->gauges().streams == 0; }));
}

}  // namespace
}  // namespace skymoor::server
