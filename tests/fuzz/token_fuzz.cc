// Access tokens as strangers send them, and tokens with a right signature over any header and claims.
#include "shared/crypto/token.h"
#include "tests/fuzz/fuzz.h"

namespace skymoor::fuzz {
namespace {

using namespace crypto;

const KeyPair& server_key() {
  static const KeyPair key = ed25519_from_seed(Bytes(32, 1));
  return key;
}
const Timestamp kNow{std::chrono::seconds(1'700'000'000)};

AccessClaims some_claims() {
  AccessClaims claims;
  claims.user = UserId{{1}};
  claims.device = DeviceId{{2}};
  claims.session = "session";
  claims.issued = kNow - std::chrono::seconds(10);
  claims.expires = kNow + std::chrono::seconds(600);
  return claims;
}

std::string token_of(ByteView header, ByteView claims) {
  const std::string input = base64url_encode(header) + "." + base64url_encode(claims);
  return input + "." + base64url_encode(ed25519_sign(server_key(), as_bytes(input)));
}

void try_token(std::string_view token) {
  auto claims = verify_access_token(server_key().public_key, "issuer", "skymoor-api", token, kNow);
  if (!claims.ok()) {
    check(claims.error().code() == Code::kUnauthenticated, "one answer for all");
    return;
  }
  check(claims->expires + std::chrono::seconds(31) > kNow && claims->audience == "skymoor-api", "what counts was checked");
  claims->issued = kNow;  // only told to people, so that any is accepted; a token of ours begins then
  const std::string again = sign_access_token(server_key(), "issuer", *claims);
  auto second = verify_access_token(server_key().public_key, "issuer", "skymoor-api", again, kNow);
  check(second.ok() && second->user == claims->user && second->session == claims->session, "claims");
}

}  // namespace

void try_input(ByteView input) {
  Choices choices(input);
  if (choices.below(2) == 0) return try_token(as_text(choices.rest()));
  const std::string_view text = as_text(choices.rest());
  const std::size_t cut = std::min(text.find('\n'), text.size());
  try_token(token_of(as_bytes(text.substr(0, cut)), as_bytes(text.substr(std::min(cut + 1, text.size())))));
}

std::vector<Bytes> seeds() {
  const std::string token = sign_access_token(server_key(), "issuer", some_claims());
  const std::size_t first = token.find('.'), second = token.rfind('.');
  Bytes parts = *base64url_decode(token.substr(0, first));
  parts.push_back('\n');
  append(parts, *base64url_decode(token.substr(first + 1, second - first - 1)));
  return {with_choice(0, as_bytes(token)), with_choice(1, parts)};
}

}  // namespace skymoor::fuzz
