// Access tokens: JWT with EdDSA only. Source: RFC 7519, RFC 8037, RFC 8725, RFC 9068.
#pragma once
#include <string>

#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/crypto/signature.h"

namespace skymoor::crypto {

struct AccessClaims {
  UserId user;
  DeviceId device;
  std::string session;      ///< refresh family: revoking it ends the tokens made from it
  std::string audience = "skymoor-api";
  Timestamp issued{}, expires{};
  bool admin = false;
};

/// Header {"alg":"EdDSA","typ":"at+jwt","kid":...}.
std::string sign_access_token(const KeyPair& key, std::string_view issuer, const AccessClaims& claims);
/// Whether they are good by that clock: from `issued` to `expires`, with 30 s of skew on both sides.
bool is_current(const AccessClaims& claims, Timestamp now);
/// Checks alg, typ, kid against the one pinned key, signature, issuer, audience, exp and nbf with 30 s of skew; ignores
/// jwk, jku and x5u. Errors: Unauthenticated, always with the same message.
Result<AccessClaims> verify_access_token(const PublicKey& key, std::string_view issuer, std::string_view audience,
                                         std::string_view token, Timestamp now);

}  // namespace skymoor::crypto
