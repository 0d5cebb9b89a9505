#include "api_fixture.h"

namespace skymoor::server {
namespace {

using testing_support::new_file;

class EventsApi : public ApiTest {
 protected:
  std::unique_ptr<RawHttp> listen(ApiClient& client, const VolumeId& volume, std::uint64_t after) {
    auto stream = std::make_unique<RawHttp>(server_->port(), RawHttp::Security::kPlain);
    stream->request("GET", "/api/events?volume=" + volume.hex() + "&after=" + std::to_string(after), "",
                    "Authorization: Bearer " + client.token + "\r\n");
    auto head = stream->head();
    EXPECT_TRUE(head && head->status == 200 && head->header("Content-Type") == "text/event-stream");
    return stream;
  }
  /// The sequence of the next event; 0 when none came.
  static std::uint64_t next(RawHttp& stream, const VolumeId& volume,
                            std::chrono::milliseconds time = std::chrono::seconds(5)) {
    auto text = stream.read_until("\n\n", time);
    if (!text) return 0;
    EXPECT_EQ(text->substr(0, 20), "event: change\ndata: ");
    auto event = protocol::decode<protocol::ChangeEvent>(as_bytes(text->substr(20, text->size() - 22)));
    EXPECT_TRUE(event.ok()) << *text;
    EXPECT_TRUE(event.ok() && event->volume == volume);
    return event.ok() ? event->sequence.value : 0;
  }
  void commit(ApiClient& client, const VolumeId& volume, WriterId writer, std::uint8_t name) {
    Bytes commit = client.make_commit(volume, {writer, name}, new_file(make_inode_id(writer, name), name));
    EXPECT_EQ(client.send_commit(volume, commit).status, 200);
  }
};

TEST_F(EventsApi, TellOfEveryCommitSoon) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  WriterId writer = ada.lease_writer(volume);
  auto stream = listen(ada, volume, 0);
  for (std::uint8_t name = 1; name <= 3; ++name) {
    commit(ada, volume, writer, name);
    auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(next(*stream, volume), name);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  }
}

TEST_F(EventsApi, TellThePresentHeadAtOnceWhenItIsNew) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  commit(ada, volume, ada.lease_writer(volume), 1);
  EXPECT_EQ(next(*listen(ada, volume, 0), volume), 1u);
  EXPECT_EQ(next(*listen(ada, volume, 1), volume, std::chrono::milliseconds(200)), 0u);
}

TEST_F(EventsApi, OtherVolumesAreNotTold) {
  ApiClient ada = user("ada");
  VolumeId quiet = ada.create_volume(), busy = ada.create_volume();
  auto stream = listen(ada, quiet, 0);
  commit(ada, busy, ada.lease_writer(busy), 1);
  EXPECT_EQ(next(*stream, quiet, std::chrono::milliseconds(200)), 0u);
}

TEST_F(EventsApi, AClientThatGoesMakesRoom) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  for (int i = 0; i < 100; ++i) listen(ada, volume, 0);  // more than may be open at the same time
  for (int i = 0; i < 400 && server_->gauges().streams > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(server_->gauges().streams, 0u);
}

TEST_F(EventsApi, TooManyStreamsOfOneUserAreRefused) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  std::vector<std::unique_ptr<RawHttp>> streams;
  int refused = 0;
  for (int i = 0; i < 80 && refused == 0; ++i) {
    auto stream = std::make_unique<RawHttp>(server_->port(), RawHttp::Security::kPlain);
    stream->request("GET", "/api/events?volume=" + volume.hex(), "", "Authorization: Bearer " + ada.token + "\r\n");
    auto head = stream->head();
    ASSERT_TRUE(head);
    if (head->status != 200) refused = head->status;
    streams.push_back(std::move(stream));
  }
  EXPECT_EQ(refused, 429);
}

// Commits, listeners that come and go, and the server's end, all at once: nothing may hang or crash.
TEST_F(EventsApi, ListenersComeAndGoWhileCommitsAreMade) {
  ApiClient ada = user("ada");
  VolumeId volume = ada.create_volume();
  WriterId writer = ada.lease_writer(volume);
  std::atomic<bool> stop{false};
  std::vector<std::jthread> listeners;
  for (int i = 0; i < 4; ++i)
    listeners.emplace_back([&] {
      while (!stop) next(*listen(ada, volume, 0), volume);
    });
  for (std::uint8_t name = 1; name <= 40; ++name) commit(ada, volume, writer, name);
  stop = true;
}

}  // namespace
}  // namespace skymoor::server
