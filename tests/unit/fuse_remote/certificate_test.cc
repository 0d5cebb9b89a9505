#include <gtest/gtest.h>

#include "fuse/remote/http_client.h"
#include "shared/crypto/certificate.h"
#include "tests/support/http_test_server.h"

namespace skymoor::client {
namespace {

using testing::HttpTestServer;
using testing::TestConnection;
using testing::TestRequest;

HttpTestServer::Tls make_tls() {
  auto made = crypto::make_certificate({"127.0.0.1", "localhost"}, 10, SystemClock().now());
  EXPECT_TRUE(made.ok());
  return {made->certificate_pem, std::string(as_text(made->private_key_pem.view()))};
}

void answer_ok(const TestRequest&, TestConnection& c) { c.reply(200, "{}"); }

Result<HttpResponse> get(const std::string& url, ServerTrust trust) {
  auto client = TRY(HttpClient::open({.base_url = url, .trust = std::move(trust)}));
  HttpRequest request;
  request.path = "/";
  return client->perform(request);
}

TEST(Certificate, ProbeTellsFingerprintAndPin) {
  const auto tls = make_tls();
  HttpTestServer server(answer_ok, &tls);
  auto seen = probe_certificate(server.url(), std::chrono::seconds(5), {});
  ASSERT_TRUE(seen.ok()) << seen.error().to_string();
  EXPECT_EQ(seen->fingerprint, *crypto::certificate_fingerprint(tls.certificate_pem));
  EXPECT_EQ(seen->pin, *crypto::public_key_pin(tls.certificate_pem));
  EXPECT_FALSE(seen->trusted_by_system);
}

TEST(Certificate, ThePinnedServerIsTrusted) {
  const auto tls = make_tls();
  HttpTestServer server(answer_ok, &tls);
  auto answer = get(server.url(), {*crypto::public_key_pin(tls.certificate_pem), "sha256:x"});
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
}

TEST(Certificate, AnotherCertificateIsRefusedNamingBothAndWhatToDo) {
  const auto real = make_tls(), other = make_tls();
  HttpTestServer server(answer_ok, &other);
  const std::string accepted = *crypto::certificate_fingerprint(real.certificate_pem);
  auto answer = get(server.url(), {*crypto::public_key_pin(real.certificate_pem), accepted});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kBadCertificate);
  const std::string& message = answer.error().message();
  EXPECT_NE(message.find(accepted), std::string::npos) << message;
  EXPECT_NE(message.find(*crypto::certificate_fingerprint(other.certificate_pem)), std::string::npos) << message;
  EXPECT_NE(message.find("skymoor login --fingerprint"), std::string::npos) << message;
  EXPECT_EQ(server.requests(), 0);  // nothing was sent to it
}

TEST(Certificate, WithoutAPinASelfMadeOneIsRefused) {
  const auto tls = make_tls();
  HttpTestServer server(answer_ok, &tls);
  auto answer = get(server.url(), {});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kBadCertificate);
  EXPECT_NE(answer.error().message().find("skymoor login"), std::string::npos);
  EXPECT_EQ(server.requests(), 0);
}

TEST(Certificate, AServerWithoutTlsIsSaidToBeOne) {
  HttpTestServer server(answer_ok);
  auto answer = get("https://127.0.0.1:" + std::to_string(server.port()), {});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kOffline);
  EXPECT_NE(answer.error().message().find("TLS"), std::string::npos) << answer.error().message();
}

}  // namespace
}  // namespace skymoor::client
