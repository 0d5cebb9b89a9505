#include "shared/crypto/token.h"

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

using std::chrono::seconds;

constexpr Timestamp kNow{seconds{1'800'000'000}};
constexpr std::string_view kIssuer = "https://drive.example", kAudience = "skymoor-api";

class TokenTest : public ::testing::Test {
 protected:
  AccessClaims claims() const {
    AccessClaims claims;
    claims.user.value.fill(0x11);
    claims.device.value.fill(0x22);
    claims.session = "family-1";
    claims.issued = kNow;
    claims.expires = kNow + seconds{600};
    return claims;
  }
  std::string token() const { return sign_access_token(key_, kIssuer, claims()); }
  Result<AccessClaims> verify(std::string_view token, Timestamp now = kNow) const {
    return verify_access_token(key_.public_key, kIssuer, kAudience, token, now);
  }
  std::string key_id() const {
    const std::string text = token();
    const std::string header = std::string(as_text(*base64url_decode(text.substr(0, text.find('.')))));
    const std::size_t at = header.find(R"("kid":")") + 7;
    return header.substr(at, header.find('"', at) - at);
  }
  /// A token of any shape, signed with the right key.
  std::string signed_as(const std::string& header, const std::string& body) const {
    const std::string text = base64url_encode(as_bytes(header)) + '.' + base64url_encode(as_bytes(body));
    return text + '.' + base64url_encode(ed25519_sign(key_, as_bytes(text)));
  }
  std::string good_header() const { return R"({"alg":"EdDSA","typ":"at+jwt","kid":")" + key_id() + R"("})"; }
  static std::string body_with(const std::string& replaced, const std::string& by) {
    std::string body = kBody;
    const std::size_t at = body.find(replaced);
    if (at == std::string::npos) std::abort();
    return body.replace(at, replaced.size(), by);
  }
  void expect_refused(std::string_view token, const char* why) const {
    const auto result = verify(token);
    ASSERT_FALSE(result.ok()) << why;
    EXPECT_EQ(result.error().code(), Code::kUnauthenticated) << why;
    EXPECT_EQ(result.error().message(), "the access token is not valid") << why;
  }

  static constexpr const char* kBody =
      R"({"iss":"https://drive.example","sub":"11111111111111111111111111111111","aud":"skymoor-api",)"
      R"("client_id":"22222222222222222222222222222222","sid":"family-1","iat":1800000000,"nbf":1800000000,)"
      R"("exp":1800000600})";
  RepeatableRandom random_;
  KeyPair key_ = ed25519_generate(random_), other_ = ed25519_generate(random_);
};

TEST_F(TokenTest, RoundTrip) {
  const auto result = verify(token());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->user, claims().user);
  EXPECT_EQ(result->device, claims().device);
  EXPECT_EQ(result->session, "family-1");
  EXPECT_EQ(result->audience, kAudience);
  EXPECT_EQ(result->issued, kNow);
  EXPECT_EQ(result->expires, kNow + seconds{600});
  EXPECT_FALSE(result->admin);

  AccessClaims admin = claims();
  admin.admin = true;
  EXPECT_TRUE(verify(sign_access_token(key_, kIssuer, admin))->admin);
}

TEST_F(TokenTest, TheHandMadeFormOfTheseTestsIsAccepted) {  // so that the refusals below are for the one change
  EXPECT_TRUE(verify(signed_as(good_header(), kBody)).ok());
}

TEST_F(TokenTest, KeyIdIsTheThumbprint) {  // RFC 8037, appendix A.3
  const KeyPair key = ed25519_from_seed(hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  const std::string text = sign_access_token(key, kIssuer, claims());
  const std::string header(as_text(*base64url_decode(text.substr(0, text.find('.')))));
  EXPECT_NE(header.find("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), std::string::npos) << header;
}

TEST_F(TokenTest, AlgNone) {
  const std::string none = R"({"alg":"none","typ":"at+jwt","kid":")" + key_id() + R"("})";
  const std::string text = base64url_encode(as_bytes(none)) + '.' + base64url_encode(as_bytes(kBody));
  expect_refused(text + '.', "no signature");
  expect_refused(text, "two parts");
  expect_refused(signed_as(none, kBody), "none, although signed");
}

TEST_F(TokenTest, Hs256WithThePublicKeyAsSecret) {
  const std::string header = R"({"alg":"HS256","typ":"at+jwt","kid":")" + key_id() + R"("})";
  const std::string text = base64url_encode(as_bytes(header)) + '.' + base64url_encode(as_bytes(kBody));
  const Hash256 mac = hmac_sha256(key_.public_key, {as_bytes(text)});
  expect_refused(text + '.' + base64url_encode(mac.view()), "HS256");
  expect_refused(signed_as(header, kBody), "HS256 header over a good signature");
}

TEST_F(TokenTest, OtherAlgorithmsTypesAndKeyIds) {
  for (const char* algorithm : {"ES256", "eddsa", "Ed25519", "RS256", ""})
    expect_refused(
        signed_as(R"({"alg":")" + std::string(algorithm) + R"(","typ":"at+jwt","kid":")" + key_id() + R"("})", kBody),
        algorithm);
  for (const char* type : {"JWT", "rt+jwt", "link+jwt", "AT+JWT", ""})
    expect_refused(
        signed_as(R"({"alg":"EdDSA","typ":")" + std::string(type) + R"(","kid":")" + key_id() + R"("})", kBody), type);
  for (const char* kid : {"other", "../../etc/passwd", "' OR 1=1 --", ""})
    expect_refused(signed_as(R"({"alg":"EdDSA","typ":"at+jwt","kid":")" + std::string(kid) + R"("})", kBody), kid);
  expect_refused(signed_as(R"({"alg":"EdDSA","typ":"at+jwt"})", kBody), "no kid");
  expect_refused(signed_as(R"({"alg":["EdDSA"],"typ":"at+jwt","kid":")" + key_id() + R"("})", kBody), "alg as list");
}

TEST_F(TokenTest, AKeyInsideTheTokenIsIgnored) {
  // Signed by the attacker's key, which the header offers.
  const std::string header = R"({"alg":"EdDSA","typ":"at+jwt","kid":")" + key_id() +
                             R"(","jwk":{"kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(other_.public_key) +
                             R"("},"jku":"https://evil.example/keys","x5u":"https://evil.example/cert"})";
  const std::string text = base64url_encode(as_bytes(header)) + '.' + base64url_encode(as_bytes(kBody));
  expect_refused(text + '.' + base64url_encode(ed25519_sign(other_, as_bytes(text))), "attacker's key");
  // The same header under the right key says nothing that counts.
  EXPECT_TRUE(verify(signed_as(header, kBody)).ok());
}

TEST_F(TokenTest, CriticalExtensionsAreNotUnderstood) {
  expect_refused(
      signed_as(R"({"alg":"EdDSA","typ":"at+jwt","crit":["b64"],"b64":false,"kid":")" + key_id() + R"("})", kBody),
      "crit");
}

TEST_F(TokenTest, AnotherKeysToken) {
  expect_refused(sign_access_token(other_, kIssuer, claims()), "other key, its own kid");
  KeyPair disguised = other_.clone();
  disguised.public_key = key_.public_key;
  expect_refused(sign_access_token(disguised, kIssuer, claims()), "other key, our kid");
}

TEST_F(TokenTest, TimesWithThirtySecondsOfSkew) {
  const std::string text = token();
  EXPECT_TRUE(verify(text, kNow + seconds{629}).ok());
  EXPECT_FALSE(verify(text, kNow + seconds{630}).ok());
  EXPECT_FALSE(verify(text, kNow + std::chrono::hours{24 * 3650}).ok());
  EXPECT_TRUE(verify(text, kNow - seconds{30}).ok());
  EXPECT_FALSE(verify(text, kNow - seconds{31}).ok());
  expect_refused(signed_as(good_header(), body_with(R"("nbf":1800000000)", R"("nbf":1800000031)")),
                 "nbf in the future");
  expect_refused(signed_as(good_header(), body_with(R"("nbf":1800000000)", R"("nbf":1799999999)")),
                 "nbf that is not iat");
}

TEST_F(TokenTest, WrongIssuerAudienceOrMissingClaims) {
  expect_refused(sign_access_token(key_, "https://evil.example", claims()), "iss");
  AccessClaims other = claims();
  other.audience = "skymoor-refresh";
  expect_refused(sign_access_token(key_, kIssuer, other), "aud");
  expect_refused(signed_as(good_header(), body_with(R"("aud":"skymoor-api")", R"("aud":["skymoor-api"])")), "aud list");
  for (const char* claim : {"iss", "sub", "aud", "client_id", "sid", "iat", "nbf", "exp"})
    expect_refused(
        signed_as(good_header(), body_with('"' + std::string(claim) + '"', R"("x)" + std::string(claim) + '"')), claim);
}

TEST_F(TokenTest, ClaimsOfTheWrongShape) {
  const std::string exp = R"("exp":1800000600)";
  for (const char* value : {"1800000600.5", "\"1800000600\"", "1e999", "-1", "18446744073709551615",
                            "9223372036854775807", "null", "true", "[]", "{}", "NaN"})
    expect_refused(signed_as(good_header(), body_with(exp, R"("exp":)" + std::string(value))), value);
  expect_refused(signed_as(good_header(), body_with("1111111111", "11111111")), "short user id");
  expect_refused(signed_as(good_header(), body_with("11111111", "zzzzzzzz")), "user id not hex");
  expect_refused(signed_as(good_header(), body_with("\"sid\"", "\"admin\":\"yes\",\"sid\"")), "admin as text");
  expect_refused(signed_as(good_header(), body_with("family-1", std::string(300, 'x'))), "long session");
}

TEST_F(TokenTest, Garbage) {
  const std::string text = token();
  for (const std::string& garbage :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("a.b.c"), text + ".x",
        text + "=", "Bearer " + text, text.substr(1), std::string(5'000, 'A') + text, std::string("\0.\0.\0", 5)})
    expect_refused(garbage, "garbage");
  expect_refused(signed_as("[]", kBody), "header is a list");
  expect_refused(signed_as(good_header(), "[1]"), "claims are a list");
  expect_refused(signed_as(good_header(), "{"), "claims cut short");
  expect_refused(signed_as(good_header(), std::string(1'000, '[')), "nested");
  expect_refused(signed_as(good_header(), std::string(kBody) + "\xff"), "not UTF-8");
}

TEST_F(TokenTest, AnyChangedCharacterIsRefused) {
  const std::string text = token();
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = text[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify(changed).ok()) << at;
    EXPECT_FALSE(verify(text.substr(0, at)).ok()) << at;
  }
}

}  // namespace
}  // namespace skymoor::crypto
