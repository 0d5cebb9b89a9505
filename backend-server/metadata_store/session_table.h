// Sessions (families of refresh tokens) and the tokens' hashes.
#pragma once
#include <optional>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::server {

struct SessionRow {
  std::string id;
  UserId user;
  DeviceId device;
  Timestamp created{}, expires{};
  bool revoked = false;
};

struct RefreshTokenRow {
  Hash256 hash;         ///< SHA-256 of the token
  std::string session;
  Timestamp issued{};
  Timestamp spent{};    ///< when it was used; 0: not yet
  bool is_spent() const { return spent != Timestamp{}; }
};

class SessionTable {
 public:
  virtual ~SessionTable() = default;

  virtual Result<std::optional<SessionRow>> find_session(const std::string& id) const = 0;
  virtual Status insert_session(const SessionRow& session) = 0;
  virtual Status extend_session(const std::string& id, Timestamp expires) = 0;
  virtual Status revoke_session(const std::string& id) = 0;
  virtual Status revoke_sessions_of(const DeviceId& device) = 0;
  /// Sessions that expired before `before`, with their tokens.
  virtual Status drop_expired(Timestamp before) = 0;

  virtual Result<std::optional<RefreshTokenRow>> find_token(const Hash256& hash) const = 0;
  virtual Status insert_token(const RefreshTokenRow& token) = 0;
  virtual Status spend_token(const Hash256& hash, Timestamp now) = 0;
  /// Spent tokens of a session issued before `before`.
  virtual Status drop_spent(const std::string& session, Timestamp before) = 0;
};

}  // namespace skymoor::server
