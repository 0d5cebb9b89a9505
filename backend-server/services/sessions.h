// SessionService: access tokens, refresh tokens, logout.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "backend-server/services/caller.h"
#include "backend-server/services/verified_tokens.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/crypto/signature.h"
#include "shared/protocol/accounts.h"

namespace skymoor::server {

class MetadataStore;
struct SessionRow;
struct Tables;

/// Makes and checks tokens. An access token is a JWT (EdDSA, 10 minutes) under a key in the file `token.secret`; a
/// refresh token is 256 random bits, stored as its SHA-256, and good for one use: each use gives a successor of the same
/// family (= session), a second use revokes the family. Thread-safe. Failure: errors change nothing, except that a reused
/// refresh token has revoked its family.
class SessionService {
 public:
  struct Options {
    std::string secret_file;               ///< made (mode 0600) when it is not there
    std::string issuer = "skymoor";
    std::string audience = "skymoor-api";
    std::chrono::seconds access_lifetime{600};
    std::chrono::seconds refresh_lifetime{std::chrono::hours(24 * 90)};
    /// A refresh token whose answer was lost may be sent again for this long, as long as its successor was not used: the
    /// same successor is the answer. 0: every second use revokes, and a device that lost an answer must log in again.
    std::chrono::seconds refresh_retry{0};
  };
  /// Errors: Corrupt (secret file), Io.
  static Result<std::unique_ptr<SessionService>> open(Options options, MetadataStore& store, Disk& disk,
                                                      const Clock& clock, Random& random);

  /// Checks an access token, and that its session and device are not revoked. Its signature is checked when it is seen for
  /// the first time, all else at each call. Errors: Unauthenticated, always with the same message.
  Result<Caller> verify(std::string_view access_token, const std::string& remote_address);
  /// Spends a refresh token. Durability: on return the old token is spent for good.
  /// Errors: Unauthenticated (unknown, expired, revoked, or spent: then the family is revoked).
  Result<protocol::Session> refresh(std::string_view refresh_token, const std::string& remote_address);
  /// Ends the caller's session.
  Status logout(const Caller& caller);

  /// A new session of a device, as part of the update that logged it in.
  Result<protocol::Session> create(Tables& tables, const UserId& user, const DeviceId& device, bool admin);

 private:
  SessionService(Options options, MetadataStore& store, const Clock& clock, Random& random, crypto::KeyPair key);
  std::optional<crypto::AccessClaims> claims_of(std::string_view access_token);
  Result<protocol::Session> rotate(Tables& tables, ByteView token, const SessionRow& session, bool again);
  Bytes successor_of(ByteView token) const;
  protocol::Session make_session(ByteView refresh_token, const std::string& session, const UserId& user,
                                 const DeviceId& device, bool admin) const;

  // Constant after construction.
  const Options options_;
  MetadataStore& store_;
  const Clock& clock_;
  Random& random_;
  const crypto::KeyPair key_;
  const crypto::SecretBytes successor_key_;
  // Own synchronisation.
  VerifiedTokens verified_;
};

}  // namespace skymoor::server
