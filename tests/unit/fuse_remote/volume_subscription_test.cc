#include "fuse/remote/volume_subscription.h"

#include <condition_variable>

#include "tests/unit/fuse_remote/session_fixture.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;

/// What a subscription told, in order.
class Told {
 public:
  void add(const std::string& what) {
    std::lock_guard lock(mutex_);
    all_.push_back(what);
    changed_.notify_all();
  }
  bool wait_for(const std::vector<std::string>& expected) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 5s, [&] { return all_.size() >= expected.size(); });
    return all_ == expected;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> all_;
};

class SubscriptionTest : public ::testing::Test {
 protected:
  std::string event(std::uint64_t sequence) {
    return "event: change\ndata: " + encode(protocol::ChangeEvent{volume_, Sequence{sequence}}) + "\n\n";
  }
  void start_session(const std::string& url) {
    http_ = std::move(*HttpClient::open({.base_url = url, .trust = {}}));
    session_ = std::make_unique<RemoteSession>(*http_, store_, clock_);
  }
  std::unique_ptr<VolumeSubscription> subscribe() {
    VolumeSubscription::Options options;
    options.backoff = {5ms, 20ms};
    options.connect_timeout = 2s;
    options.idle_timeout = 300ms;
    return std::make_unique<VolumeSubscription>(
        *session_, random_, volume_, options, [this](Sequence s) { told_.add(std::to_string(s.value)); },
        [this](const Status& s) { told_.add(s.ok() ? "up" : std::string(name_of(s.error().code()))); });
  }
  static void open_stream(TestConnection& c) {
    c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  }

  VolumeId volume_;
  SystemClock clock_;
  SystemRandom random_;
  MemorySessionStore store_{{"refresh-1", "access-1", SystemClock().now() + 600s}};
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<RemoteSession> session_;
  Told told_;
};

TEST_F(SubscriptionTest, ReconnectsAfterALossAndAsksForWhatIsNew) {
  std::vector<std::string> targets;
  HttpTestServer server([&](const TestRequest& r, TestConnection& c) {
    targets.push_back(r.target);
    open_stream(c);
    if (r.connection == 1) {
      c.write(event(41) + ": comment\n\n" + event(42));
      return c.close();
    }
    c.write(event(43));
    c.gone_within(10000);
  });
  start_session(server.url());
  auto subscription = subscribe();
  EXPECT_TRUE(told_.wait_for({"up", "41", "42", "Offline", "up", "43"}));
  subscription.reset();
  ASSERT_GE(targets.size(), 2u);
  EXPECT_TRUE(targets[0].ends_with("&after=0")) << targets[0];
  EXPECT_TRUE(targets[1].ends_with("&after=0")) << targets[1] << ": a restored server may have gone back";
}

TEST_F(SubscriptionTest, TellsOnceWhyItIsDownAndEndsAtOnce) {
  start_session("http://127.0.0.1:1");
  auto subscription = subscribe();
  EXPECT_TRUE(told_.wait_for({"Offline"}));
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(told_.wait_for({"Offline"}));
}

TEST_F(SubscriptionTest, ASilentStreamIsDroppedAndDestructionIsPrompt) {
  HttpTestServer server([&](const TestRequest&, TestConnection& c) {
    open_stream(c);
    c.gone_within(10000);
  });
  start_session(server.url());
  auto subscription = subscribe();
  EXPECT_TRUE(told_.wait_for({"up", "TimedOut", "up"}));
  const auto start = std::chrono::steady_clock::now();
  subscription.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 200ms);
}

TEST_F(SubscriptionTest, ARefusedTokenIsRenewed) {
  TokenServer tokens;
  tokens.generation = 2;
  HttpTestServer server([&](const TestRequest& r, TestConnection& c) {
    if (tokens.handle(r, c)) return;
    open_stream(c);
    c.write(event(1));
    c.gone_within(10000);
  });
  store_.take_turn({}).value()->save({"refresh-2", "access-1", clock_.now() + 600s}).value();
  start_session(server.url());
  auto subscription = subscribe();
  EXPECT_TRUE(told_.wait_for({"Unauthenticated", "up", "1"}));
  EXPECT_EQ(tokens.refreshes, 1);
}

TEST_F(SubscriptionTest, AnotherKindOfServerIsNotTakenForOurs) {
  HttpTestServer server([&](const TestRequest&, TestConnection& c) { c.reply(200, "<html>", "text/html"); });
  start_session(server.url());
  auto subscription = subscribe();
  EXPECT_TRUE(told_.wait_for({"Unavailable"}));
}

}  // namespace
}  // namespace skymoor::client
