#include "fuse/remote/http_client.h"

#include <gtest/gtest.h>

#include <future>

#include "shared/crypto/certificate.h"
#include "tests/support/http_test_server.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;
using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;
using SteadyClock = std::chrono::steady_clock;

std::unique_ptr<HttpClient> open_client(const std::string& url) {
  auto client = HttpClient::open({.base_url = url, .trust = {}});
  EXPECT_TRUE(client.ok());
  return std::move(*client);
}

TEST(HttpClient, SendsAndReceivesBodiesUnchanged) {
  HttpTestServer server([](const TestRequest& r, TestConnection& c) {
    EXPECT_EQ(r.headers.at("skymoor-protocol"), "1");
    EXPECT_EQ(r.headers.count("expect"), 0u);
    c.reply(200, r.method + " " + r.target + " " + r.body, "application/octet-stream");
  });
  auto client = open_client(server.url());
  Bytes body(3u << 20);
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::uint8_t>(i * 31 + i / 977);
  HttpRequest request;
  request.method = "POST";
  request.path = "/api/x?y=1";
  request.body = body;
  request.max_response_bytes = 4u << 20;
  auto answer = client->perform(request);
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->content_type, "application/octet-stream");
  EXPECT_EQ(std::string(as_text(answer->body)), "POST /api/x?y=1 " + std::string(as_text(body)));
}

TEST(HttpClient, AnEmptyPostAndADeleteAreSentAsSuch) {
  HttpTestServer server([](const TestRequest& r, TestConnection& c) { c.reply(204 - 4, r.method + r.body); });
  auto client = open_client(server.url());
  for (const char* method : {"POST", "DELETE", "GET"}) {
    HttpRequest request;
    request.method = method;
    request.path = "/";
    request.timeout = 2s;
    auto answer = client->perform(request);
    ASSERT_TRUE(answer.ok()) << method;
    EXPECT_EQ(as_text(answer->body), method);
  }
}

TEST(HttpClient, KeepsItsConnection) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) { c.reply(200, "{}"); });
  auto client = open_client(server.url());
  for (int i = 0; i < 20; ++i) {
    HttpRequest request;
    request.path = "/";
    ASSERT_TRUE(client->perform(request).ok());
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.requests(), 20);
}

TEST(HttpClient, RunsManyRequestsAtOnce) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    std::this_thread::sleep_for(100ms);
    c.reply(200, "{}");
  });
  auto client = open_client(server.url());
  const auto start = SteadyClock::now();
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 8; ++i)
    calls.push_back(std::async(std::launch::async, [&] {
      HttpRequest request;
      request.path = "/";
      return client->perform(request).ok();
    }));
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_LT(SteadyClock::now() - start, 700ms);
}

TEST(HttpClient, StopEndsACallAtOnce) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) { c.gone_within(20000); });
  auto client = open_client(server.url());
  std::stop_source stop;
  SteadyClock::time_point asked;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    asked = SteadyClock::now();
    stop.request_stop();
  });
  HttpRequest request;
  request.path = "/";
  request.stop = stop.get_token();
  auto answer = client->perform(request);
  EXPECT_LT(SteadyClock::now() - asked, 200ms);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kCancelled);
  // Asked for before the call: it does not even start.
  EXPECT_EQ(client->perform(request).error().code(), Code::kCancelled);
}

TEST(HttpClient, ASilentServerEndsInATimeOut) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) { c.gone_within(20000); });
  auto client = open_client(server.url());
  HttpRequest request;
  request.path = "/";
  request.timeout = 200ms;
  const auto start = SteadyClock::now();
  auto answer = client->perform(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kTimedOut);
  EXPECT_LT(SteadyClock::now() - start, 15s) << "it was the server that ended it";
}

TEST(HttpClient, NobodyThereAndAConnectionLostAreOffline) {
  int port;
  {
    HttpTestServer gone([](const TestRequest&, TestConnection&) {});
    port = gone.port();
  }
  auto nobody = open_client("http://127.0.0.1:" + std::to_string(port));
  HttpRequest request;
  request.path = "/";
  EXPECT_EQ(nobody->perform(request).error().code(), Code::kOffline);

  HttpTestServer rude([](const TestRequest& r, TestConnection& c) {
    if (r.target == "/half") c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    c.close();
  });
  auto client = open_client(rude.url());
  EXPECT_EQ(client->perform(request).error().code(), Code::kOffline);
  request.path = "/half";
  EXPECT_EQ(client->perform(request).error().code(), Code::kOffline);
}

TEST(HttpClient, ALostKeptConnectionIsReplacedWithoutAnError) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    c.reply(200, "{}");
    c.close();  // without saying so
  });
  auto client = open_client(server.url());
  for (int i = 0; i < 5; ++i) {
    HttpRequest request;
    request.path = "/";
    request.method = "POST";
    auto answer = client->perform(request);
    EXPECT_TRUE(answer.ok()) << answer.error().to_string();
    std::this_thread::sleep_for(10ms);
  }
}

TEST(HttpClient, AnAnswerPastItsLimitIsRefused) {
  HttpTestServer server([](const TestRequest& r, TestConnection& c) {
    if (r.target == "/announced") return c.reply(200, std::string(5000, 'x'));
    c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000 && c.write("400\r\n" + std::string(1024, 'x') + "\r\n"); ++i) {
    }
    c.close();
  });
  auto client = open_client(server.url());
  for (const char* path : {"/announced", "/chunked"}) {
    HttpRequest request;
    request.path = path;
    request.max_response_bytes = 4999;
    auto answer = client->perform(request);
    ASSERT_FALSE(answer.ok()) << path;
    EXPECT_EQ(answer.error().code(), Code::kTooLarge) << path;
  }
}

TEST(HttpClient, ReadsRetryAfterAndDate) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    c.reply(429, "{}", "application/json", "RETRY-AFTER: 17\r\nDate: Thu, 01 Jan 1970 00:01:00 GMT\r\n");
  });
  auto client = open_client(server.url());
  HttpRequest request;
  request.path = "/";
  auto answer = client->perform(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->retry_after, 17s);
  ASSERT_TRUE(answer->date);
  EXPECT_EQ(answer->date->time_since_epoch(), 60s);
}

TEST(HttpClient, RedirectsAreNotFollowed) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    c.reply(302, "", "text/html", "Location: http://169.254.169.254/\r\n");
  });
  auto client = open_client(server.url());
  HttpRequest request;
  request.path = "/";
  auto answer = client->perform(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(server.requests(), 1);
}

/// A server with TLS, whose records the client takes several at a time, and a client of it.
class HttpClientWithTls : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = crypto::make_certificate({"127.0.0.1"}, 10, SystemClock().now());
    ASSERT_TRUE(made.ok());
    tls_ = {made->certificate_pem, std::string(as_text(made->private_key_pem.view()))};
  }
  void serve(HttpTestServer::Handler handler) {
    server_ = std::make_unique<HttpTestServer>(std::move(handler), &tls_);
    auto client = HttpClient::open({.base_url = server_->url(), .trust = {*crypto::public_key_pin(tls_.certificate_pem), ""}});
    ASSERT_TRUE(client.ok());
    client_ = std::move(*client);
  }
  HttpTestServer::Tls tls_;
  std::unique_ptr<HttpTestServer> server_;
  std::unique_ptr<HttpClient> client_;
};

// What was read ahead is in no socket any more: nothing would tell of it, and the call would end in a time-out.
TEST_F(HttpClientWithTls, AnswersOfAnySizeAreReadToTheirEnd) {
  serve([](const TestRequest& r, TestConnection& c) { c.reply(200, std::string(std::stoul(r.target.substr(1)), 'x')); });
  for (std::size_t size : {0u, 1u, 16383u, 16384u, 16385u, 32768u, 65536u, 65537u, 100000u, 524288u, 1000003u, 5000000u, 8388608u}) {
    for (std::size_t more : {0, 7}) {
      HttpRequest request;
      request.path = "/" + std::to_string(size + more);
      request.max_response_bytes = 9u << 20;
      auto answer = client_->perform(request);
      ASSERT_TRUE(answer.ok()) << size << ": " << answer.error().to_string();
      ASSERT_EQ(answer->body.size(), size + more);
    }
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpClientWithTls, AnAnswerInTheSmallestRecordsIsReadToItsEnd) {
  serve([](const TestRequest&, TestConnection& c) {
    const std::string answer = "HTTP/1.1 200 OK\r\nX-Long: " + std::string(300, 'y') + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
                               "5\r\nhello\r\n000000000000006\r\n world\r\n0\r\n\r\n";
    for (char byte : answer) c.write(std::string(1, byte));
  });
  for (int i = 0; i < 50; ++i) {
    HttpRequest request;
    request.path = "/";
    auto answer = client_->perform(request);
    ASSERT_TRUE(answer.ok()) << answer.error().to_string();
    ASSERT_EQ(as_text(answer->body), "hello world");
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpClientWithTls, ManyLargeAnswersAtOnceAreReadToTheirEnd) {
  serve([](const TestRequest&, TestConnection& c) { c.reply(200, std::string(3000000, 'x')); });
  std::vector<std::jthread> callers;
  std::atomic<int> whole{0};
  for (int i = 0; i < 6; ++i)
    callers.emplace_back([&] {
      for (int n = 0; n < 10; ++n) {
        HttpRequest request;
        request.path = "/";
        request.max_response_bytes = 4u << 20;
        auto answer = client_->perform(request);
        whole += answer.ok() && answer->body.size() == 3000000;
      }
    });
  callers.clear();
  EXPECT_EQ(whole, 60);
}

TEST_F(HttpClientWithTls, AServerThatNeverStopsSendingDoesNotKeepOthersOrACancelWaiting) {
  serve([](const TestRequest& r, TestConnection& c) {
    if (r.target == "/small") return c.reply(200, "{}");
    const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n";
    std::string many;
    for (int i = 0; i < 1000; ++i) many += interim;
    while (c.write(many)) {
    }
  });
  std::stop_source stop;
  auto endless = std::async(std::launch::async, [&] {
    HttpRequest request;
    request.path = "/";
    request.stop = stop.get_token();
    return client_->perform(request).error().code();
  });
  for (int i = 0; i < 20; ++i) {
    HttpRequest request;
    request.path = "/small";
    auto answer = client_->perform(request);
    EXPECT_TRUE(answer.ok()) << answer.error().to_string();
  }
  stop.request_stop();
  const Code ended = endless.get();
  EXPECT_TRUE(ended == Code::kCancelled || ended == Code::kOffline || ended == Code::kUnavailable) << static_cast<int>(ended);
}

TEST(HttpClient, AStreamIsHandedOnAsItArrives) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      c.write("piece" + std::to_string(i));
      if (c.gone_within(30)) return;
    }
    c.gone_within(20000);
  });
  auto client = open_client(server.url());
  std::stop_source stop;
  HttpRequest request;
  request.path = "/";
  request.stop = stop.get_token();
  std::string got;
  int heads = 0;
  auto answer = client->stream(request, {.on_head = [&](const HttpResponse& head) -> Status {
                                           ++heads;
                                           EXPECT_EQ(head.status, 200);
                                           EXPECT_EQ(head.content_type, "text/event-stream");
                                           return {};
                                         },
                                         .on_data = [&](ByteView data) -> Status {
                                           got += as_text(data);
                                           if (got == "piece0piece1piece2") stop.request_stop();
                                           return {};
                                         }});
  EXPECT_EQ(heads, 1);
  EXPECT_EQ(got, "piece0piece1piece2");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kCancelled);
}

TEST(HttpClient, AStreamThatGoesSilentTimesOutAndASinkMayEndIt) {
  HttpTestServer server([](const TestRequest&, TestConnection& c) {
    c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello");
    c.gone_within(20000);
  });
  auto client = open_client(server.url());
  HttpRequest request;
  request.path = "/";
  request.idle_timeout = 100ms;
  auto fine = [](const HttpResponse&) -> Status { return {}; };
  auto silent = client->stream(request, {fine, [](ByteView) -> Status { return {}; }});
  EXPECT_EQ(silent.error().code(), Code::kTimedOut);
  auto ended = client->stream(request, {fine, [](ByteView) -> Status { return Error(Code::kTooLarge, "enough"); }});
  EXPECT_EQ(ended.error().code(), Code::kTooLarge);
}

}  // namespace
}  // namespace skymoor::client
