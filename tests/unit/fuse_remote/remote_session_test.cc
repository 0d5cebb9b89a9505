#include "fuse/remote/remote_session.h"

#include <functional>
#include <future>

#include "tests/unit/fuse_remote/session_fixture.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;

class RemoteSessionTest : public ::testing::Test {
 protected:
  RemoteSessionTest() {
    auto opened = HttpClient::open({.base_url = server_.url(), .trust = {}});
    http_ = std::move(*opened);
  }
  SessionTokens tokens(int n, std::chrono::seconds lifetime) {
    return {"refresh-" + std::to_string(n), "access-" + std::to_string(n), clock_.now() + lifetime};
  }
  Result<HttpResponse> call(RemoteSession& session) {
    HttpRequest request;
    request.path = "/api/thing";
    request.timeout = 5s;
    return session.perform(request);
  }

  TokenServer tokens_;
  HttpTestServer server_{[this](const TestRequest& r, TestConnection& c) {
    if (!tokens_.handle(r, c)) c.reply(200, "{}");
  }};
  SystemClock clock_;
  std::unique_ptr<HttpClient> http_;
};

TEST_F(RemoteSessionTest, AGoodTokenIsUsedAsItIs) {
  MemorySessionStore store(tokens(1, 600s));
  RemoteSession session(*http_, store, clock_);
  ASSERT_TRUE(call(session).ok());
  EXPECT_EQ(tokens_.refreshes, 0);
}

TEST_F(RemoteSessionTest, AnExpiredTokenIsRenewedBeforeItIsUsedAndTheNewOneStored) {
  MemorySessionStore store(tokens(1, 10s));
  RemoteSession session(*http_, store, clock_);
  auto answer = call(session);
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(tokens_.refreshes, 1);
  EXPECT_EQ(tokens_.refusals, 0);
  EXPECT_EQ(store.load()->refresh_token, "refresh-2");
  EXPECT_EQ(store.load()->access_token, "access-2");
}

TEST_F(RemoteSessionTest, ARefusedTokenIsRenewedOnceAndTheRequestSentAgain) {
  MemorySessionStore store({"refresh-1", "access-0", clock_.now() + 600s});
  RemoteSession session(*http_, store, clock_);
  auto answer = call(session);
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(tokens_.refreshes, 1);
  EXPECT_EQ(tokens_.refusals, 1);
}

/// A token counts as good or as spent by this machine's clock, and what the server says of it is what counts in the end.
TEST_F(RemoteSessionTest, AClockThatJumpsCostsARenewalAtMost) {
  class Jumping final : public Clock {
   public:
    Timestamp now() const override { return SystemClock().now() + ahead; }
    Instant monotonic() const override { return SystemClock().monotonic(); }
    std::chrono::hours ahead{0};
  } clock;
  MemorySessionStore store({"refresh-1", "access-1", clock.now() + 600s});
  RemoteSession session(*http_, store, clock);
  for (const auto hours : {1h, -1h, 24h * 3653, -24h * 3653, 0h}) {
    clock.ahead = hours;
    const int before = tokens_.refreshes;
    auto answer = call(session);
    ASSERT_TRUE(answer.ok() && answer->status == 200) << hours.count();
    ASSERT_TRUE(call(session).ok());
    EXPECT_LE(tokens_.refreshes, before + 1) << hours.count();
    {
      std::lock_guard lock(tokens_.mutex);   // the token ends by the server's clock
      ++tokens_.generation;
    }
    clock.ahead = hours - 1h;                // and here it is good for another hour
    const auto refresh = "refresh-" + std::to_string(tokens_.generation);
    MemorySessionStore later({refresh, "access-of-before", clock.now() + 600s});
    RemoteSession next(*http_, later, clock);
    answer = call(next);
    ASSERT_TRUE(answer.ok() && answer->status == 200) << hours.count();
    ASSERT_TRUE(store.take_turn({}).value()->save(*later.load()).ok());
  }
}

TEST_F(RemoteSessionTest, ManyCallsShareOneRefresh) {
  MemorySessionStore store(tokens(1, 0s));
  RemoteSession session(*http_, store, clock_);
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 8; ++i)
    calls.push_back(std::async(std::launch::async, [&] { return call(session).ok(); }));
  for (auto& c : calls) EXPECT_TRUE(c.get());
  EXPECT_EQ(tokens_.refreshes, 1);
}

TEST_F(RemoteSessionTest, TwoProcessesDoNotSpendOneTokenTwice) {
  MemorySessionStore store(tokens(1, 0s));
  RemoteSession first(*http_, store, clock_), second(*http_, store, clock_);
  auto a = std::async(std::launch::async, [&] { return call(first).ok(); });
  auto b = std::async(std::launch::async, [&] { return call(second).ok(); });
  EXPECT_TRUE(a.get());
  EXPECT_TRUE(b.get());
  EXPECT_EQ(tokens_.refreshes, 1);
}

class SteppedClock final : public Clock {
 public:
  Timestamp now() const override { return SystemClock().now() + std::chrono::seconds(ahead_); }
  Instant monotonic() const override { return SystemClock().monotonic() + std::chrono::seconds(ahead_); }
  void advance(std::chrono::seconds by) { ahead_ += by.count(); }

 private:
  std::atomic<std::int64_t> ahead_{0};
};

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i, std::this_thread::sleep_for(5ms))
    if (condition()) return true;
  return false;
}

bool has(MemorySessionStore& store, const std::string& refresh_token) {
  const auto stored = store.load();
  return stored.ok() && stored->refresh_token == refresh_token;
}

/// The server has spent the old one, and ends the session when that comes back after a while.
TEST_F(RemoteSessionTest, WhatCannotBeStoredIsUsedAndStoredAsSoonAsItCan) {
  SteppedClock clock;
  MemorySessionStore store(tokens(1, 0s));
  store.fail_save = true;
  RemoteSession session(*http_, store, clock);
  for (int renewals = 1; renewals <= 3; ++renewals, clock.advance(600s)) {
    ASSERT_TRUE(call(session).ok()) << renewals;
    EXPECT_EQ(tokens_.refreshes, renewals);
  }
  EXPECT_EQ(store.load()->refresh_token, "refresh-1");
  clock.advance(-590s);
  store.fail_save = false;
  ASSERT_TRUE(call(session).ok());
  EXPECT_TRUE(eventually([&] { return has(store, "refresh-4"); }));
  EXPECT_EQ(tokens_.refreshes, 3);
}

/// A save over the old tokens that was cut short.
TEST_F(RemoteSessionTest, WhatAFailedSaveHasDamagedIsStoredAnew) {
  SteppedClock clock;
  MemorySessionStore store(tokens(1, 0s));
  store.fail_save = true;
  RemoteSession session(*http_, store, clock);
  ASSERT_TRUE(call(session).ok());
  store.damaged = true;
  clock.advance(11s);
  ASSERT_TRUE(call(session).ok());
  ASSERT_TRUE(eventually([&] { return store.failed_saves == 2; }));
  store.fail_save = false;
  // Whoever calls next may still find that one under way.
  EXPECT_TRUE(eventually([&] {
    clock.advance(11s);
    return call(session).ok() && has(store, "refresh-2");
  }));
  EXPECT_EQ(tokens_.refreshes, 1);
}

TEST_F(RemoteSessionTest, WhatCouldNotBeStoredIsStoredAtTheEnd) {
  MemorySessionStore store(tokens(1, 0s));
  {
    RemoteSession session(*http_, store, clock_);
    store.fail_save = true;
    ASSERT_TRUE(call(session).ok());
    store.fail_save = false;
  }
  EXPECT_EQ(store.load()->refresh_token, "refresh-2");
}

TEST_F(RemoteSessionTest, ANewLoginCountsMoreThanWhatCouldNotBeStored) {
  SteppedClock clock;
  MemorySessionStore store(tokens(1, 0s));
  store.fail_save = true;
  RemoteSession session(*http_, store, clock);
  ASSERT_TRUE(call(session).ok());
  store.fail_save = false;
  {
    auto turn = store.take_turn({});
    ASSERT_TRUE((*turn)->save(tokens(9, 600s)).ok());
    std::lock_guard lock(tokens_.mutex);
    tokens_.generation = 9;
  }
  clock.advance(11s);
  ASSERT_TRUE(call(session).ok());
  EXPECT_EQ(store.load()->refresh_token, "refresh-9");
  EXPECT_EQ(tokens_.refreshes, 1);
}

TEST_F(RemoteSessionTest, AnEndedSessionSaysSoAndStopsAsking) {
  MemorySessionStore store({"refresh-7", "", {}});
  RemoteSession session(*http_, store, clock_);
  for (int i = 0; i < 3; ++i) {
    auto answer = call(session);
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code(), Code::kUnauthenticated);
    EXPECT_NE(answer.error().message().find("skymoor login"), std::string::npos);
  }
  EXPECT_EQ(tokens_.refreshes, 1);
  // Somebody logs in again: the same session object goes on.
  auto turn = store.take_turn({});
  ASSERT_TRUE((*turn)->save({"refresh-1", "", {}}).ok());
  turn->reset();
  EXPECT_TRUE(call(session).ok());
}

TEST_F(RemoteSessionTest, AServerThatTakesNoTokenIsAskedTwiceOnly) {
  HttpTestServer hostile([](const TestRequest& r, TestConnection& c) {
    protocol::Session session;
    session.access_token = "never-right";
    session.refresh_token = "next";
    if (r.target == "/api/auth/refresh") return c.reply(200, encode(session));
    c.reply(401, protocol::encode_failure(Error(Code::kUnauthenticated, "no"), "r"));
  });
  auto http = HttpClient::open({.base_url = hostile.url(), .trust = {}});
  MemorySessionStore store(tokens(1, 600s));
  RemoteSession session(**http, store, clock_);
  EXPECT_EQ(call(session).error().code(), Code::kUnauthenticated);
  EXPECT_EQ(hostile.requests(), 3);
}

// A mount that was ended while it renewed its login lost the new token: the next one was logged out.
TEST_F(RemoteSessionTest, ACancelledCallDoesNotLoseTheNewToken) {
  HttpTestServer slow([this](const TestRequest& r, TestConnection& c) {
    std::this_thread::sleep_for(300ms);
    if (!tokens_.handle(r, c)) c.reply(200, "{}");
  });
  auto http = HttpClient::open({.base_url = slow.url(), .trust = {}});
  MemorySessionStore store(tokens(1, 0s));
  {
    RemoteSession session(**http, store, clock_);
    std::stop_source stop;
    std::jthread stopper([&] {
      std::this_thread::sleep_for(100ms);
      stop.request_stop();
    });
    HttpRequest request;
    request.path = "/";
    request.stop = stop.get_token();
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(session.perform(request).error().code(), Code::kCancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 250ms);
  }
  EXPECT_EQ(store.load()->refresh_token, "refresh-2");
  RemoteSession next(*http_, store, clock_);
  EXPECT_TRUE(call(next).ok());
  EXPECT_EQ(tokens_.refreshes, 1);
}

TEST_F(RemoteSessionTest, ARefreshWithoutAnAnswerDoesNotHoldUpTheEnd) {
  HttpTestServer silent([](const TestRequest&, TestConnection& c) { c.gone_within(20000); });
  auto http = HttpClient::open({.base_url = silent.url(), .trust = {}});
  MemorySessionStore store(tokens(1, 0s));
  const auto start = std::chrono::steady_clock::now();
  {
    RemoteSession session(**http, store, clock_);
    EXPECT_EQ(session.access_token({100ms, {}}).error().code(), Code::kTimedOut);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

TEST_F(RemoteSessionTest, TokensThatEndAtOnceAreUsedAllTheSame) {
  HttpTestServer hasty([](const TestRequest& r, TestConnection& c) {
    protocol::Session session;
    session.access_token = "short";
    session.refresh_token = "next";
    session.expires_in_s = 1;
    c.reply(200, r.target == "/api/auth/refresh" ? encode(session) : "{}");
  });
  auto http = HttpClient::open({.base_url = hasty.url(), .trust = {}});
  MemorySessionStore store(tokens(1, 0s));
  RemoteSession session(**http, store, clock_);
  EXPECT_TRUE(call(session).ok());
  EXPECT_EQ(hasty.requests(), 2);
}

TEST_F(RemoteSessionTest, ADeadServerIsOfflineNotLoggedOut) {
  auto http = HttpClient::open({.base_url = "http://127.0.0.1:1", .trust = {}});
  MemorySessionStore store(tokens(1, 0s));
  RemoteSession session(**http, store, clock_);
  EXPECT_EQ(call(session).error().code(), Code::kOffline);
}

}  // namespace
}  // namespace skymoor::client
