#include "shared/crypto/opaque/envelope.h"

#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

GroupKeyPair derive_diffie_hellman_key_pair(ByteView seed) {
  return oprf_derive_key_pair(seed, as_bytes("OPAQUE-DeriveDiffieHellmanKeyPair"));
}

OpenedEnvelope derive_envelope(ByteView randomized_password, ByteView nonce, ByteView server_public_key,
                               const Identities& identities) {
  const auto derived = [&](std::string_view label) {
    return hkdf_expand(randomized_password, concat({nonce, as_bytes(label)}), 32);
  };
  OpenedEnvelope opened{derive_diffie_hellman_key_pair(derived("PrivateKey").view()), derived("ExportKey"), {}};
  const ByteView server = identity_or(identities.server, server_public_key);
  const ByteView client = identity_or(identities.client, opened.client.public_key);
  opened.tag = hmac_sha256(derived("AuthKey").view(), {nonce, server_public_key, big_endian_16(server.size()), server,
                                                       big_endian_16(client.size()), client});
  return opened;
}

SecretBytes derive_masking_key(ByteView randomized_password) {
  return hkdf_expand(randomized_password, as_bytes("MaskingKey"), 32);
}

Bytes apply_credential_pad(ByteView masking_key, ByteView masking_nonce, ByteView bytes) {
  const SecretBytes pad =
      hkdf_expand(masking_key, concat({masking_nonce, as_bytes("CredentialResponsePad")}), bytes.size());
  Bytes out = to_bytes(bytes);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] ^= pad.view()[i];
  return out;
}

}  // namespace skymoor::crypto::opaque
