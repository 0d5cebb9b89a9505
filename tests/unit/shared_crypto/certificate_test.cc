#include "shared/crypto/certificate.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

constexpr Timestamp kNow{std::chrono::seconds{1'800'000'000}};

struct Parsed {
  explicit Parsed(const Certificate& made) {
    BIO* bio = BIO_new_mem_buf(made.certificate_pem.data(), static_cast<int>(made.certificate_pem.size()));
    certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    const ByteView key_pem = made.private_key_pem.view();
    bio = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
    key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
  }
  ~Parsed() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
};

// Checks as a TLS client does that trusts exactly this certificate. Returns OpenSSL's verdict.
int verdict(const Parsed& parsed, const char* host, const char* address, Timestamp at) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, parsed.certificate);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, parsed.certificate, nullptr);
  X509_VERIFY_PARAM* wanted = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_time(wanted, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  if (host) X509_VERIFY_PARAM_set1_host(wanted, host, 0);
  if (address) X509_VERIFY_PARAM_set1_ip_asc(wanted, address);
  X509_verify_cert(context);
  const int result = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return result;
}

TEST(CertificateTest, OpensslAcceptsItForItsHosts) {
  const auto made = make_certificate({"drive.example", "127.0.0.1", "::1", "localhost"}, 30, kNow);
  ASSERT_TRUE(made.ok());
  const Parsed parsed(*made);
  ASSERT_TRUE(parsed.certificate && parsed.key);
  EXPECT_EQ(X509_check_private_key(parsed.certificate, parsed.key), 1);
  EXPECT_EQ(X509_verify(parsed.certificate, parsed.key), 1);
  EXPECT_EQ(verdict(parsed, "drive.example", nullptr, kNow), X509_V_OK);
  EXPECT_EQ(verdict(parsed, "localhost", nullptr, kNow), X509_V_OK);
  EXPECT_EQ(verdict(parsed, nullptr, "127.0.0.1", kNow), X509_V_OK);
  EXPECT_EQ(verdict(parsed, nullptr, "::1", kNow), X509_V_OK);
  EXPECT_EQ(verdict(parsed, "evil.example", nullptr, kNow), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verdict(parsed, nullptr, "127.0.0.2", kNow), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

TEST(CertificateTest, ValidFromADayBeforeUntilDaysAfter) {
  const auto made = make_certificate({"localhost"}, 30, kNow);
  ASSERT_TRUE(made.ok());
  const Parsed parsed(*made);
  constexpr std::chrono::hours kDay{24};
  EXPECT_EQ(verdict(parsed, "localhost", nullptr, kNow - kDay), X509_V_OK);
  EXPECT_EQ(verdict(parsed, "localhost", nullptr, kNow - kDay - std::chrono::hours{1}), X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(verdict(parsed, "localhost", nullptr, kNow + 30 * kDay - std::chrono::hours{1}), X509_V_OK);
  EXPECT_EQ(verdict(parsed, "localhost", nullptr, kNow + 30 * kDay + std::chrono::hours{1}),
            X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST(CertificateTest, IsAServersAndNotAnAuthoritys) {
  const auto made = make_certificate({"localhost"}, 30, kNow);
  const Parsed parsed(*made);
  EXPECT_EQ(X509_check_ca(parsed.certificate), 0);
  EXPECT_EQ(X509_get_key_usage(parsed.certificate), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
  EXPECT_EQ(X509_get_extended_key_usage(parsed.certificate), static_cast<std::uint32_t>(XKU_SSL_SERVER));
  EXPECT_EQ(X509_get_signature_nid(parsed.certificate), NID_ecdsa_with_SHA256);
}

TEST(CertificateTest, TwoHandshakesEndsMeet) {  // TLS 1.3 in memory, the client trusting this certificate only
  const auto made = make_certificate({"localhost"}, 30, std::chrono::system_clock::now());
  ASSERT_TRUE(made.ok());
  const Parsed parsed(*made);
  SSL_CTX* server_settings = SSL_CTX_new(TLS_server_method());
  ASSERT_EQ(SSL_CTX_use_certificate(server_settings, parsed.certificate), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(server_settings, parsed.key), 1);
  SSL_CTX* client_settings = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(client_settings, SSL_VERIFY_PEER, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client_settings), parsed.certificate);
  SSL *server = SSL_new(server_settings), *client = SSL_new(client_settings);
  SSL_set1_host(client, "localhost");
  BIO *server_end = nullptr, *client_end = nullptr;
  BIO_new_bio_pair(&server_end, 0, &client_end, 0);
  SSL_set_bio(server, server_end, server_end);
  SSL_set_bio(client, client_end, client_end);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); ++i) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  EXPECT_TRUE(SSL_is_init_finished(client) && SSL_is_init_finished(server));
  EXPECT_EQ(SSL_get_verify_result(client), X509_V_OK);
  SSL_free(server);
  SSL_free(client);
  SSL_CTX_free(server_settings);
  SSL_CTX_free(client_settings);
}

TEST(CertificateTest, FingerprintAndPinAreOpensslsOwn) {
  const auto made = make_certificate({"localhost"}, 30, kNow);
  const Parsed parsed(*made);
  Hash256 digest;
  unsigned size = 0;
  ASSERT_EQ(X509_digest(parsed.certificate, EVP_sha256(), digest.value.data(), &size), 1);
  EXPECT_EQ(*certificate_fingerprint(made->certificate_pem), "sha256:" + digest.hex());

  unsigned char* der = nullptr;
  const int der_size = i2d_PUBKEY(parsed.key, &der);
  const Hash256 key_hash = sha256(ByteView(der, static_cast<std::size_t>(der_size)));
  OPENSSL_free(der);
  char base64[64];
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64), key_hash.value.data(), 32);
  EXPECT_EQ(*public_key_pin(made->certificate_pem), "sha256//" + std::string(base64));
}

TEST(CertificateTest, EachHasItsOwnKeyAndSerial) {
  const auto first = make_certificate({"localhost"}, 30, kNow), second = make_certificate({"localhost"}, 30, kNow);
  EXPECT_NE(*public_key_pin(first->certificate_pem), *public_key_pin(second->certificate_pem));
  const Parsed a(*first), b(*second);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get_serialNumber(a.certificate), X509_get_serialNumber(b.certificate)), 0);
}

TEST(CertificateTest, RefusesWhatIsNoHost) {
  for (const std::string& host : {std::string(), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
                                  std::string("evil,IP:1.2.3.4"), std::string("http://a"), std::string(256, 'a'),
                                  std::string("b\xc3\xbc"
                                              "cher.example")}) {
    const auto made = make_certificate({"localhost", host}, 30, kNow);
    ASSERT_FALSE(made.ok()) << host;
    EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
  }
  EXPECT_FALSE(make_certificate({}, 30, kNow).ok());
  EXPECT_FALSE(make_certificate({"localhost"}, 0, kNow).ok());
  EXPECT_TRUE(make_certificate({std::string(200, 'a') + ".example"}, 30, kNow).ok());
}

TEST(CertificateTest, NotACertificate) {
  const auto made = make_certificate({"localhost"}, 30, kNow);
  for (std::string_view text : {std::string_view(), std::string_view("text"), as_text(made->private_key_pem.view()),
                                std::string_view(made->certificate_pem).substr(0, 200)}) {
    EXPECT_EQ(certificate_fingerprint(text).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(public_key_pin(text).error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace skymoor::crypto
