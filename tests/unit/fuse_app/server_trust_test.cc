#include "fuse/app/account/server_trust.h"

#include <gtest/gtest.h>

#include "shared/crypto/certificate.h"
#include "tests/support/http_test_server.h"

namespace skymoor::client {
namespace {

using testing::HttpTestServer;

class ServerTrustTest : public ::testing::Test {
 protected:
  ServerTrustTest() {
    auto made = crypto::make_certificate({"127.0.0.1"}, 10, SystemClock().now());
    tls_ = {made->certificate_pem, std::string(as_text(made->private_key_pem.view()))};
    server_ = std::make_unique<HttpTestServer>([](const auto&, auto& c) { c.reply(200, "{}"); }, &tls_);
    fingerprint_ = *crypto::certificate_fingerprint(tls_.certificate_pem);
    pin_ = *crypto::public_key_pin(tls_.certificate_pem);
  }
  HttpTestServer::Tls tls_;
  std::unique_ptr<HttpTestServer> server_;
  std::string fingerprint_, pin_;
  Console console_{true};
};

TEST(Fingerprint, HasManySpellingsAndOneForm) {
  const std::string hex(64, 'a');
  EXPECT_EQ(*normalize_fingerprint("sha256:" + hex), "sha256:" + hex);
  EXPECT_EQ(*normalize_fingerprint("SHA256:" + std::string(64, 'A')), "sha256:" + hex);
  std::string colons;
  for (int i = 0; i < 32; ++i) colons += i ? ":AA" : "AA";
  EXPECT_EQ(*normalize_fingerprint(colons), "sha256:" + hex);
  for (const char* bad : {"", "sha256:", "sha1:aaaa", "zz"}) EXPECT_FALSE(normalize_fingerprint(bad).ok()) << bad;
}

TEST_F(ServerTrustTest, TheGivenFingerprintDecides) {
  auto trust = establish_trust(server_->url(), {fingerprint_, false}, {}, console_);
  ASSERT_TRUE(trust.ok()) << trust.error().message();
  EXPECT_EQ(trust->pin, pin_);
  auto wrong = establish_trust(server_->url(), {"sha256:" + std::string(64, 'a'), true}, {}, console_);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code(), Code::kBadCertificate);
  EXPECT_NE(wrong.error().message().find(fingerprint_), std::string::npos);
}

TEST_F(ServerTrustTest, FirstContactCanBeAccepted) {
  auto trust = establish_trust(server_->url(), {"", true}, {}, console_);
  ASSERT_TRUE(trust.ok()) << trust.error().message();
  EXPECT_EQ(trust->fingerprint, fingerprint_);
}

TEST_F(ServerTrustTest, WhatWasAcceptedBeforeIsNotReplacedInSilence) {
  EXPECT_EQ(establish_trust(server_->url(), {}, {pin_, fingerprint_}, console_)->pin, pin_);
  // Even with --trust-first: that is for a first contact.
  auto changed = establish_trust(server_->url(), {"", true}, {"sha256//other", "sha256:old"}, console_);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), Code::kBadCertificate);
  EXPECT_NE(changed.error().message().find("sha256:old"), std::string::npos);
}

}  // namespace
}  // namespace skymoor::client
