// The server's steps with every random value handed in, so that the RFC's vectors can be run. Private to the crypto
// room; the front door is shared/crypto/opaque.h. Source: RFC 9807, sections 5 and 6.
#pragma once
#include "shared/crypto/opaque/key_exchange.h"
#include "shared/crypto/opaque/parameters.h"

namespace skymoor::crypto::opaque {

/// The OPRF key of one credential.
Scalar credential_oprf_key(ByteView oprf_seed, ByteView credential_id);

/// The record that stands in for an unknown user: always the same for one credential id, and never opened by anyone.
Bytes fake_record(ByteView oprf_seed, ByteView credential_id);

struct ServerRandomness {
  SecretBytes masking_nonce, server_nonce, keyshare_seed;  ///< 32 bytes each
};

/// GenerateKE2. Errors: InvalidArgument (malformed KE1), Corrupt (malformed record or server key).
Result<ServerLogin> answer_ke1(const ServerSecrets& secrets, ByteView context, ByteView record, ByteView credential_id,
                               ByteView ke1, const Identities& identities, const ServerRandomness& randomness);

}  // namespace skymoor::crypto::opaque
