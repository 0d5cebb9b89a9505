#include "backend-server/http/trusted_proxies.h"

#include <gtest/gtest.h>

#include "tests/unit/server_http/server_fixture.h"

namespace skymoor::server {
namespace {

std::string client_of(const char* trusted, const char* peer, const std::vector<std::string>& forwarded) {
  std::vector<NamedText> headers{{"host", "drive"}};
  for (const std::string& value : forwarded) headers.emplace_back("x-forwarded-for", value);
  return TrustedProxies::parse(trusted)->client_of(peer, headers);
}

TEST(TrustedProxiesTest, NobodyIsBelievedWhoIsNotNamed) {
  EXPECT_EQ(client_of("", "192.0.2.1", {"198.51.100.7"}), "192.0.2.1");
  EXPECT_EQ(client_of("10.0.0.0/8", "192.0.2.1", {"198.51.100.7"}), "192.0.2.1");
}

TEST(TrustedProxiesTest, TheLastThatIsNoProxyIsWhoAsks) {
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {"198.51.100.7"}), "198.51.100.7");
  EXPECT_EQ(client_of("127.0.0.1", "::ffff:127.0.0.1", {"2001:db8::7"}), "2001:db8::7");
  // What the client itself has sent stands before what the proxies have added.
  EXPECT_EQ(client_of("127.0.0.1, 10.0.0.0/8", "127.0.0.1", {"8.8.8.8, 198.51.100.7, 10.1.1.1"}), "198.51.100.7");
  EXPECT_EQ(client_of("127.0.0.1 10.0.0.0/8", "127.0.0.1", {"8.8.8.8", "198.51.100.7 ,\t10.1.1.1"}), "198.51.100.7");
}

TEST(TrustedProxiesTest, WhatIsNoAddressCountsUpToThere) {
  EXPECT_EQ(client_of("127.0.0.1,10.0.0.0/8", "127.0.0.1", {"198.51.100.7, unknown, 10.1.1.1"}), "10.1.1.1");
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {}), "127.0.0.1");
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {""}), "127.0.0.1");
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {","}), "127.0.0.1");
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {"a'; DROP TABLE\r\n"}), "127.0.0.1");
  std::string endless;
  for (int i = 0; i < 10000; ++i) endless += "127.0.0.1,";
  EXPECT_EQ(client_of("127.0.0.1", "127.0.0.1", {"8.8.8.8," + endless + "127.0.0.1"}), "127.0.0.1");
}

TEST(TrustedProxiesTest, AWrongListIsNamed) {
  const auto proxies = TrustedProxies::parse("10.0.0.0/8, proxy.example");
  ASSERT_FALSE(proxies.ok());
  EXPECT_NE(proxies.error().message().find("proxy.example"), std::string::npos);
}

class BehindAProxyTest : public HttpServerTest {
 protected:
  /// Whom the server takes for the one who asks through `RawHttp`, and whether for this machine.
  std::string asked_by(const char* trusted, const std::string& header) {
    HttpOptions chosen = options();
    chosen.trusted_proxies = *TrustedProxies::parse(trusted);
    Router router;
    router.add({"GET", "/who", [](Request& request) -> Result<Response> {
                  return Response::json(request.remote_address + (request.loopback ? " here" : ""));
                }});
    auto opened = HttpServer::open(std::move(chosen), std::move(router));
    EXPECT_TRUE(opened.ok());
    RawHttp client((*opened)->port(), Security::kPlain);
    client.request("GET", "/who", {}, header);
    const auto answer = client.answer();
    return answer ? answer->body : "no answer";
  }
};

TEST_F(BehindAProxyTest, WhoAsksIsWhomTheTrustedProxyNames) {
  EXPECT_EQ(asked_by("", ""), "127.0.0.1 here");
  EXPECT_EQ(asked_by("127.0.0.0/8", "X-Forwarded-For: 198.51.100.7\r\n"), "198.51.100.7");
  EXPECT_EQ(asked_by("127.0.0.0/8", "X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 198.51.100.7\r\n"), "198.51.100.7");
}

/// A proxy on this machine that nobody has named must not make its clients this machine's: they would see the metrics.
TEST_F(BehindAProxyTest, WhatCameThroughAProxyIsNotThisMachines) {
  EXPECT_EQ(asked_by("", "X-Forwarded-For: 198.51.100.7\r\n"), "127.0.0.1");
  EXPECT_EQ(asked_by("127.0.0.1", "X-Forwarded-For: ::1\r\n"), "::1");
}

}  // namespace
}  // namespace skymoor::server
