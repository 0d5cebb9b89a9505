// The inner steps of HPKE, apart so that the RFC's vectors can be held against each. Private to this room.
#pragma once
#include "shared/crypto/signature.h"

namespace skymoor::crypto::hpke {

/// DeriveKeyPair of DHKEM(X25519, HKDF-SHA256). Source: RFC 9180, section 7.1.3.
KeyPair derive_key_pair(ByteView input_key);

/// ExtractAndExpand over the Diffie-Hellman result. Source: RFC 9180, section 4.1.
SecretBytes kem_shared_secret(ByteView diffie_hellman, const PublicKey& enc, const PublicKey& recipient);

struct Schedule {
  SecretBytes key;              ///< 32 bytes
  SecretBytes nonce;            ///< 12 bytes: base nonce, which is the nonce of the first and only message
  SecretBytes exporter_secret;  ///< 32 bytes
};
/// KeySchedule of base mode with AES-256-GCM. Source: RFC 9180, section 5.1.
Schedule key_schedule(ByteView shared_secret, ByteView info);

/// Context.Export. Source: RFC 9180, section 5.3.
SecretBytes export_secret(const Schedule& schedule, ByteView context, std::size_t size);

}  // namespace skymoor::crypto::hpke
