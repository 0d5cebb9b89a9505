// OPAQUE-3DH, suite P256-SHA256 / HKDF-SHA-256 / HMAC-SHA-256 / scrypt: login without the server ever seeing the
// password, and with an export key that only password and server together rebuild.
// Source: RFC 9807 (protocol), RFC 9497 (OPRF), RFC 9380 (hash to curve), RFC 7914 (scrypt).
#pragma once
#include <memory>
#include <string>

#include "shared/base/clock.h"
#include "shared/crypto/hash.h"

namespace skymoor::crypto::opaque {

inline constexpr std::size_t kElementBytes = 33;              ///< compressed P-256 point
inline constexpr std::size_t kRegistrationResponseBytes = 66; ///< evaluated element | server public key
inline constexpr std::size_t kRecordBytes = 129;              ///< client public key 33 | masking key 32 | envelope 64
inline constexpr std::size_t kKe1Bytes = 98;
inline constexpr std::size_t kKe2Bytes = 259;
inline constexpr std::size_t kKe3Bytes = 32;

/// The stretching cost and the name of the server; bound into the handshake, so that neither can be downgraded.
struct Parameters {
  std::uint32_t scrypt_log_n = 17;  ///< N = 2^17: 128 MiB, r = 8, p = 1
  std::string server_name;          ///< goes into the context
  std::string user_name;            ///< normalised (lower case); part of the OPRF input with the server name
};

/// Client side of a registration: password -> request; response -> record and export key. One use.
class ClientRegistration {
 public:
  ClientRegistration(Parameters parameters, SecretBytes password, Random& random);
  ~ClientRegistration();
  Bytes request() const;  ///< 33 bytes; empty when the parameters are out of bounds, and `finish` says which
  struct Outcome {
    Bytes record;           ///< 129 bytes, stored by the server
    SecretBytes export_key; ///< 32 bytes, never leaves the client
  };
  /// Errors: InvalidArgument for a malformed response. Blocks: ~0.5 s of CPU and 128 MiB in scrypt.
  Result<Outcome> finish(ByteView response) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Client side of a login. One use.
class ClientLogin {
 public:
  ClientLogin(Parameters parameters, SecretBytes password, Random& random);
  ~ClientLogin();
  Bytes ke1() const;
  struct Outcome {
    Bytes ke3;
    SecretBytes session_key;  ///< 32 bytes, shared with the server
    SecretBytes export_key;
  };
  /// Errors: WrongPassword (the envelope does not open, or the server is not the one registered with),
  /// InvalidArgument (malformed). Blocks: as ClientRegistration::finish.
  Result<Outcome> finish(ByteView ke2) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The key service's secrets: the OPRF seed and the server's long-term key, kept outside the database.
struct ServerSecrets {
  SecretBytes oprf_seed;        ///< 32 bytes
  SecretBytes private_key;      ///< 32-byte scalar
  Bytes public_key;             ///< 33 bytes
  static ServerSecrets generate(Random& random);
  /// Serialised for the key service's file. Errors of `parse`: Corrupt.
  SecretBytes serialize() const;
  static Result<ServerSecrets> parse(ByteView bytes);
};

/// Answers a registration request. Errors: InvalidArgument (length, not on the curve, infinity).
Result<Bytes> server_registration_response(const ServerSecrets& secrets, ByteView credential_id, ByteView request);

struct ServerLogin {
  Bytes ke2;
  Bytes expected_ke3;       ///< compare in constant time
  SecretBytes session_key;
};
/// `record` empty: answers with the RFC's fake record for an unknown user, indistinguishable and of the same cost.
/// Errors: InvalidArgument for a malformed KE1, Corrupt for a malformed record.
Result<ServerLogin> server_login(const ServerSecrets& secrets, const Parameters& parameters, ByteView record,
                                 ByteView credential_id, ByteView ke1, Random& random);

}  // namespace skymoor::crypto::opaque
