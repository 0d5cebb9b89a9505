#include "backend-server/app/identity.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;

class Identity : public ::testing::Test {
 protected:
  ServerConfig config() {
    ServerConfig config;
    config.directory = directory_.path();
    return config;
  }
  testing::TempDir directory_;
  PosixDisk disk_;
  SystemClock clock_;
};

TEST_F(Identity, TheFirstStartDecides) {
  ServerConfig first = config();
  first.server_name = "quote \" and \\ and \u00e9";
  first.scrypt_log_n = 12;
  ASSERT_TRUE(load_or_make_login_identity(disk_, first).ok());
  auto later = load_or_make_login_identity(disk_, config());
  ASSERT_TRUE(later.ok()) << later.error().message();
  EXPECT_EQ(later->server_name, *first.server_name);
  EXPECT_EQ(later->scrypt_log_n, 12u);
  EXPECT_TRUE(load_or_make_login_identity(disk_, first).ok());
  ServerConfig other = config();
  other.server_name = "other";
  EXPECT_EQ(load_or_make_login_identity(disk_, other).error().code(), Code::kInvalidArgument);
}

TEST_F(Identity, NamesWithControlCharactersAreRefused) {
  ServerConfig bad = config();
  bad.server_name = "a\nb";
  EXPECT_FALSE(load_or_make_login_identity(disk_, bad).ok());
}

TEST_F(Identity, TheCertificateIsMadeOnce) {
  auto first = load_or_make_tls(disk_, config(), clock_.now());
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  auto second = load_or_make_tls(disk_, config(), clock_.now());
  EXPECT_EQ(first->fingerprint, second->fingerprint);
  EXPECT_EQ(read_fingerprint(disk_, directory_.path()).value(), first->fingerprint);
}

TEST_F(Identity, AnInterruptedFirstStartIsRepaired) {
  // The key was written, the certificate was not.
  ASSERT_TRUE(write_file_durably(disk_, directory_ / "tls.key", as_bytes("half")).ok());
  auto made = load_or_make_tls(disk_, config(), clock_.now());
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(made->identity.private_key_pem, HasSubstr("PRIVATE KEY"));
}

TEST_F(Identity, OwnCertificatesMustBeReadable) {
  ServerConfig own = config();
  own.tls_certificate_file = directory_ / "none.crt";
  own.tls_key_file = directory_ / "none.key";
  EXPECT_EQ(load_or_make_tls(disk_, own, clock_.now()).error().code(), Code::kNotFound);
  ASSERT_TRUE(write_file_durably(disk_, own.tls_certificate_file, as_bytes("not PEM")).ok());
  ASSERT_TRUE(write_file_durably(disk_, own.tls_key_file, as_bytes("not PEM")).ok());
  EXPECT_EQ(load_or_make_tls(disk_, own, clock_.now()).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace skymoor::server
