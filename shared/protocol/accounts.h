// Messages of /api/auth/* and /api/keys/*: accounts, login, devices. JSON; binary fields in base64url.
#pragma once
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/ids.h"

namespace skymoor::protocol {

/// A device's public half.
struct DevicePublic {
  DeviceId id;
  std::string name;     ///< 1 to 64 bytes, for people and conflict names
  Bytes signing_key;    ///< Ed25519, 32 bytes
  Bytes sealing_key;    ///< X25519, 32 bytes
};

/// A user's public keys and wrapped secrets. The server cannot open any wrap.
struct UserKeys {
  std::uint32_t generation = 1;
  Bytes sealing_key;          ///< X25519 public, 32 bytes: volume keys are sealed to it
  Bytes signing_key;          ///< Ed25519 public, 32 bytes
  Bytes password_wrap;        ///< user key wrapped under the OPAQUE export key
  Bytes recovery_wrap;        ///< user key wrapped under the recovery code
  Bytes recovery_verifier;    ///< Ed25519 public made from the recovery code, 32 bytes
};

/// POST /api/auth/register/start
struct RegisterStart {
  std::string user;   ///< 1 to 64 characters of a-z 0-9 . _ - @ after lower-casing
  Bytes request;      ///< OPAQUE registration request, 33 bytes
};
struct RegisterChallenge {
  std::string registration_id;   ///< valid for 5 minutes, one use
  Bytes response;                ///< 66 bytes
  std::string server_name;       ///< OPAQUE Parameters
  std::uint32_t scrypt_log_n = 17;
};
/// POST /api/auth/register/finish -> Session
struct RegisterFinish {
  std::string registration_id;
  Bytes record;                  ///< OPAQUE record, 129 bytes
  UserKeys keys;
  DevicePublic device;
};

/// POST /api/auth/parameters -> LoginParameters: what the client needs before KE1; the same for unknown users.
struct ParametersRequest {
  std::string user;
};
struct LoginParameters {
  std::string server_name;
  std::uint32_t scrypt_log_n = 17;
};
/// POST /api/auth/login/start. A device that the user has let in before proves it, so that strangers who guess at the account do
/// not lock its owner out: it has limits of its own. What does not prove it counts like a stranger's start.
struct LoginStart {
  std::string user;
  Bytes ke1;
  DeviceId device;               ///< zeros: none
  Bytes device_signature;        ///< Ed25519 by the device over `signed_start`
};
/// "skymoor login start 1\0" | user (normalized) | 0 | ke1
Bytes signed_start(std::string_view user, ByteView ke1);
struct LoginChallenge {
  std::string login_id;          ///< valid for 60 s, one use
  Bytes ke2;
};
/// POST /api/auth/login/finish -> Session
struct LoginFinish {
  std::string login_id;
  Bytes ke3;
  DevicePublic device;
  Bytes device_signature;        ///< Ed25519 by the device over "skymoor login 1\0" | login_id | ke2 | ke3
};

/// POST /api/auth/refresh -> Session; the old token is spent: used twice, the family is revoked.
struct RefreshRequest {
  std::string refresh_token;
};
struct Session {
  UserId user;
  std::string access_token;
  std::string refresh_token;
  std::int64_t expires_in_s = 600;
  bool admin = false;
};

/// GET /api/keys/bundle
struct KeyBundle {
  UserId user;
  std::string user_name;
  UserKeys keys;
};

/// GET /api/auth/devices -> {"devices":[...]}; DELETE /api/auth/devices/ID revokes. POST /api/auth/logout ends a
/// session.
struct DeviceInfo {
  DevicePublic device;
  Timestamp created{}, last_seen{};
  bool revoked = false;
};

// encode gives JSON text; decode reports InvalidArgument for malformed, missing or oversized fields and ignores unknown
// ones (a newer peer may send more).
std::string encode(const RegisterStart&);
std::string encode(const RegisterChallenge&);
std::string encode(const RegisterFinish&);
std::string encode(const ParametersRequest&);
std::string encode(const LoginParameters&);
std::string encode(const LoginStart&);
std::string encode(const LoginChallenge&);
std::string encode(const LoginFinish&);
std::string encode(const RefreshRequest&);
std::string encode(const Session&);
std::string encode(const KeyBundle&);
std::string encode(const std::vector<DeviceInfo>&);
template <typename Message>
Result<Message> decode(ByteView json);  ///< specialised for each message above
template <> Result<RegisterStart> decode(ByteView);
template <> Result<RegisterChallenge> decode(ByteView);
template <> Result<RegisterFinish> decode(ByteView);
template <> Result<ParametersRequest> decode(ByteView);
template <> Result<LoginParameters> decode(ByteView);
template <> Result<LoginStart> decode(ByteView);
template <> Result<LoginChallenge> decode(ByteView);
template <> Result<LoginFinish> decode(ByteView);
template <> Result<RefreshRequest> decode(ByteView);
template <> Result<Session> decode(ByteView);
template <> Result<KeyBundle> decode(ByteView);
template <> Result<std::vector<DeviceInfo>> decode(ByteView);

/// Lower-cases and checks a user name. Errors: InvalidArgument, saying what is allowed.
Result<std::string> normalize_user_name(std::string_view name);

}  // namespace skymoor::protocol
