#include "server_fixture.h"

namespace skymoor::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class Requests : public HttpServerTest {
 protected:
  void SetUp() override { open(options()); }
};

TEST_F(Requests, KeepsTheConnectionBetweenRequests) {
  RawHttp client = connect();
  for (int i = 0; i < 3; ++i) {
    auto answer = client.exchange("GET", "/hello");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "{\"hello\":1}");
    EXPECT_EQ(answer->header("Connection"), "keep-alive");
    EXPECT_EQ(answer->header("Content-Type"), "application/json");
    EXPECT_EQ(answer->header("Skymoor-Protocol"), "1");
    EXPECT_EQ(answer->header("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer->header("X-Request-Id").size(), 16u);
    EXPECT_FALSE(answer->header("Date").empty());
  }
}

TEST_F(Requests, PipelinedRequestsAreAnsweredInOrder) {
  RawHttp client = connect();
  std::string one = "GET /item/";
  client.send(
      "GET /item/1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET "
      "/item/3 "
      "HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.answer()->body, "1?none");
  EXPECT_EQ(client.answer()->body, "abc");
  EXPECT_EQ(client.answer()->body, "3?none");
}

TEST_F(Requests, RequestIdsDiffer) {
  RawHttp client = connect();
  std::string first = client.exchange("GET", "/hello", "", "X-Request-Id: chosen\r\n")->header("X-Request-Id");
  EXPECT_NE(first, client.exchange("GET", "/hello")->header("X-Request-Id"));
  EXPECT_NE(first, "chosen");
}

TEST_F(Requests, ParametersAndQueryAreDecoded) {
  RawHttp client = connect();
  EXPECT_EQ(client.exchange("GET", "/item/a%20b?q=%c3%a9")->body, "a b?\u00e9");
}

TEST_F(Requests, UnknownRoutesAndMethodsAnswerJson) {
  RawHttp client = connect();
  auto missing = client.exchange("GET", "/nothing");
  EXPECT_EQ(missing->status, 404);
  EXPECT_THAT(missing->body, HasSubstr("\"code\":\"not_found\""));
  EXPECT_THAT(missing->body, HasSubstr(missing->header("X-Request-Id")));
  auto method = client.exchange("DELETE", "/hello");
  EXPECT_EQ(method->status, 405);
  EXPECT_EQ(method->header("Allow"), "GET");
  EXPECT_THAT(method->body, HasSubstr("\"code\":\"method_not_allowed\""));
  EXPECT_EQ(client.exchange("GET", "/hello")->status, 200);  // the connection goes on
}

TEST_F(Requests, FailuresCarryTheirStatusAndRetryAfter) {
  RawHttp client = connect();
  auto limited = client.exchange("GET", "/fail");
  EXPECT_EQ(limited->status, 429);
  EXPECT_EQ(limited->header("Retry-After"), "42");
}

TEST_F(Requests, AnExceptionAnswers500AndTellsNothing) {
  RawHttp client = connect();
  auto answer = client.exchange("GET", "/throw");
  EXPECT_EQ(answer->status, 500);
  EXPECT_THAT(answer->body, Not(HasSubstr("secret")));
  EXPECT_EQ(client.exchange("GET", "/hello")->status, 200);
}

TEST_F(Requests, HeadHasNoBody) {
  RawHttp client = connect();
  client.request("HEAD", "/hello");
  auto answer = client.answer(/*to_head=*/true);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->header("Content-Length"), "11");
  EXPECT_EQ(client.exchange("GET", "/hello")->status, 200);
}

TEST_F(Requests, ConnectionCloseIsHonoured) {
  RawHttp client = connect();
  auto answer = client.exchange("GET", "/hello", "", "Connection: close\r\n");
  EXPECT_EQ(answer->header("Connection"), "close");
  EXPECT_TRUE(client.ends_within(std::chrono::seconds(1)));
  RawHttp old = connect();
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.answer()->status, 200);
  EXPECT_TRUE(old.ends_within(std::chrono::seconds(1)));
}

TEST_F(Requests, InlineRoutesAnswer) { EXPECT_EQ(connect().exchange("GET", "/inline")->body, "inline"); }

TEST_F(Requests, TheObserverSeesTheStatus) {
  EXPECT_EQ(connect().exchange("GET", "/fail")->status, 429);
  EXPECT_TRUE(eventually([&] { return last_status == 429; }));
}

TEST_F(Requests, ManyClientsAtOnce) {
  std::atomic<int> good{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      RawHttp client = connect();
      for (int i = 0; i < 100; ++i)
        if (client.exchange("GET", "/item/" + std::to_string(i))->body == std::to_string(i) + "?none") ++good;
    });
  threads.clear();
  EXPECT_EQ(good, 800);
}

TEST(HttpServerOpen, APortInUseIsAClearError) {
  HttpOptions options;
  options.address = "127.0.0.1";
  options.port = 0;
  auto first = HttpServer::open(options, Router());
  ASSERT_TRUE(first.ok());
  options.port = (*first)->port();
  auto second = HttpServer::open(options, Router());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kAlreadyExists);
  EXPECT_THAT(second.error().message(), HasSubstr("address already in use"));
}

TEST(HttpServerOpen, BadAddressesAndCertificatesAreRefused) {
  HttpOptions options;
  options.port = 0;
  options.address = "not an address";
  EXPECT_EQ(HttpServer::open(options, Router()).error().code(), Code::kInvalidArgument);
  options.address = "127.0.0.1";
  options.tls = TlsIdentity{"no certificate", "no key"};
  EXPECT_EQ(HttpServer::open(options, Router()).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace skymoor::server
