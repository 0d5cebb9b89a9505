#include "shared/crypto/token.h"

#include <algorithm>
#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "shared/crypto/hash.h"

namespace skymoor::crypto {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kAlgorithm = "EdDSA";
constexpr std::string_view kType = "at+jwt";
constexpr std::size_t kMaxTokenBytes = 4096;
constexpr std::size_t kMaxTextBytes = 256;
constexpr std::chrono::seconds kSkew{30};
// Timestamp holds nanoseconds in 64 bits: seconds beyond this do not fit.
constexpr std::int64_t kMaxSeconds = 9'000'000'000;

// The key's JWK thumbprint. Source: RFC 7638, RFC 8037 appendix A.3.
std::string key_id(const PublicKey& key) {
  const std::string jwk = R"({"crv":"Ed25519","kty":"OKP","x":")" + base64url_encode(key) + R"("})";
  return base64url_encode(sha256(as_bytes(jwk)).view());
}

std::int64_t seconds_of(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

struct Parts {
  Json header;
  std::string_view signed_text;
  Bytes signature;
};

std::optional<Json> object_of(std::string_view base64) {
  const auto text = base64url_decode(base64);
  if (!text.ok()) return std::nullopt;
  Json json = Json::parse(text->begin(), text->end(), /*callback=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

std::optional<Parts> split(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  auto header = object_of(token.substr(0, first));
  auto signature = base64url_decode(token.substr(second + 1));
  if (!header || !signature.ok()) return std::nullopt;
  return Parts{std::move(*header), token.substr(0, second), std::move(*signature)};
}

std::optional<std::string> text_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  auto text = found->get<std::string>();
  if (text.size() > kMaxTextBytes) return std::nullopt;
  return text;
}

std::optional<Timestamp> time_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxSeconds))
    return std::nullopt;
  const auto seconds = found->get<std::int64_t>();
  if (seconds < 0 || seconds > kMaxSeconds) return std::nullopt;
  return Timestamp{std::chrono::seconds{seconds}};
}

// The pinned key's header and nothing else decides: no key named inside the token is ever looked at, and a header that
// demands understanding (`crit`) is refused. Source: RFC 8725, sections 3.1 and 3.11; RFC 7515, section 4.1.11.
bool is_our_header(const Json& header, const PublicKey& key) {
  return text_at(header, "alg") == kAlgorithm && text_at(header, "typ") == kType &&
         text_at(header, "kid") == key_id(key) && !header.contains("crit");
}

// Ours begin when they are issued.
bool has_times(const Json& claims) {
  const auto issued = time_at(claims, "iat"), begins = time_at(claims, "nbf"), expires = time_at(claims, "exp");
  return issued && begins && expires && *begins == *issued;
}

std::optional<AccessClaims> claims_of(const Json& json) {
  const auto user = text_at(json, "sub"), device = text_at(json, "client_id"), session = text_at(json, "sid");
  if (!user || !device || !session) return std::nullopt;
  const auto user_id = UserId::from_hex(*user);
  const auto device_id = DeviceId::from_hex(*device);
  if (!user_id.ok() || !device_id.ok()) return std::nullopt;
  AccessClaims claims;
  claims.user = *user_id;
  claims.device = *device_id;
  claims.session = *session;
  claims.audience = *text_at(json, "aud");
  claims.issued = *time_at(json, "iat");
  claims.expires = *time_at(json, "exp");
  const auto admin = json.find("admin");
  if (admin != json.end() && !admin->is_boolean()) return std::nullopt;
  claims.admin = admin != json.end() && admin->get<bool>();
  return claims;
}

std::optional<AccessClaims> verified(const PublicKey& key, std::string_view issuer, std::string_view audience,
                                     std::string_view token, Timestamp now) {
  const auto parts = split(token);
  if (!parts || !is_our_header(parts->header, key)) return std::nullopt;
  if (!ed25519_verify(key, as_bytes(parts->signed_text), parts->signature)) return std::nullopt;
  const auto claims = object_of(parts->signed_text.substr(parts->signed_text.find('.') + 1));
  if (!claims || text_at(*claims, "iss") != issuer || text_at(*claims, "aud") != audience) return std::nullopt;
  if (!has_times(*claims)) return std::nullopt;
  auto read = claims_of(*claims);
  if (!read || !is_current(*read, now)) return std::nullopt;
  return read;
}

}  // namespace

std::string sign_access_token(const KeyPair& key, std::string_view issuer, const AccessClaims& claims) {
  const Json header = {{"alg", kAlgorithm}, {"typ", kType}, {"kid", key_id(key.public_key)}};
  Json body = {{"iss", issuer},
               {"sub", claims.user.hex()},
               {"aud", claims.audience},
               {"client_id", claims.device.hex()},
               {"sid", claims.session},
               {"iat", seconds_of(claims.issued)},
               {"nbf", seconds_of(claims.issued)},
               {"exp", seconds_of(claims.expires)}};
  if (claims.admin) body["admin"] = true;
  // Text that is not UTF-8 is replaced, not thrown over: the token then simply does not match its session.
  const auto encode = [](const Json& json) {
    return base64url_encode(as_bytes(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
  };
  std::string token = encode(header) + '.' + encode(body);
  return token + '.' + base64url_encode(ed25519_sign(key, as_bytes(token)));
}

bool is_current(const AccessClaims& claims, Timestamp now) {
  return claims.issued <= now + kSkew && now < claims.expires + kSkew;
}

Result<AccessClaims> verify_access_token(const PublicKey& key, std::string_view issuer, std::string_view audience,
                                         std::string_view token, Timestamp now) {
  if (auto claims = verified(key, issuer, audience, token, now)) return std::move(*claims);
  return Error(Code::kUnauthenticated, "the access token is not valid");
}

}  // namespace skymoor::crypto
