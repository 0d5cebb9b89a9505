// What a client's stretched password opens: its own long-term key, the export key, and proof of the server's key.
// Private to the crypto room. Source: RFC 9807, section 4.
#pragma once
#include "shared/crypto/hash.h"
#include "shared/crypto/opaque/oprf.h"

namespace skymoor::crypto::opaque {

inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kEnvelopeBytes = 64;  ///< nonce | tag
inline constexpr std::size_t kMaskedBytes = kPointBytes + kEnvelopeBytes;

/// Names the handshake is bound to; an empty one stands for that side's public key, as in the RFC.
struct Identities {
  Bytes client, server;
};
inline ByteView identity_or(const Bytes& name, ByteView public_key) {
  return name.empty() ? public_key : ByteView(name);
}

struct OpenedEnvelope {
  GroupKeyPair client;
  SecretBytes export_key;
  Hash256 tag;  ///< what the envelope's tag must be
};
OpenedEnvelope derive_envelope(ByteView randomized_password, ByteView nonce, ByteView server_public_key,
                               const Identities& identities);

/// DeriveDiffieHellmanKeyPair.
GroupKeyPair derive_diffie_hellman_key_pair(ByteView seed);

SecretBytes derive_masking_key(ByteView randomized_password);

/// `bytes` (server public key | envelope) XOR the pad of the masking key: masks and unmasks.
Bytes apply_credential_pad(ByteView masking_key, ByteView masking_nonce, ByteView bytes);

}  // namespace skymoor::crypto::opaque
