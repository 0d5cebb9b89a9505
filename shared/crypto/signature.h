// Ed25519 signatures and X25519 + HPKE sealing.
#pragma once
#include <array>

#include "shared/base/clock.h"
#include "shared/crypto/secret.h"

namespace skymoor::crypto {

using PublicKey = std::array<std::uint8_t, 32>;    ///< Ed25519 or X25519
using Signature = std::array<std::uint8_t, 64>;

/// A key pair as its 32-byte secret seed and the public key made from it.
struct KeyPair {
  SecretBytes seed;
  PublicKey public_key{};
  KeyPair clone() const { return {seed.clone(), public_key}; }
};

/// Source: RFC 8032.
KeyPair ed25519_from_seed(ByteView seed32);
KeyPair ed25519_generate(Random& random);
Signature ed25519_sign(const KeyPair& key, ByteView message);
bool ed25519_verify(const PublicKey& key, ByteView message, ByteView signature);

/// Source: RFC 7748.
KeyPair x25519_from_seed(ByteView seed32);
KeyPair x25519_generate(Random& random);

/// HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message: enc (32) | ciphertext | tag.
/// Source: RFC 9180. Empty when the recipient's key is of low order (nobody's key): store nothing then.
Bytes hpke_seal(const PublicKey& recipient, ByteView info, ByteView aad, ByteView plaintext, Random& random);
/// Errors: Corrupt.
Result<SecretBytes> hpke_open(const KeyPair& recipient, ByteView info, ByteView aad, ByteView sealed);

}  // namespace skymoor::crypto
