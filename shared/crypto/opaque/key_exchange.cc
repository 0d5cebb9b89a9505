#include "shared/crypto/opaque/key_exchange.h"

#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

namespace {

// Derive-Secret, that is Expand-Label with the hash of a transcript as its context.
SecretBytes expand_label(ByteView secret, std::string_view label, ByteView context) {
  static constexpr std::string_view kPrefix = "OPAQUE-";
  const std::uint8_t label_size = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  const std::uint8_t context_size = static_cast<std::uint8_t>(context.size());
  return hkdf_expand(
      secret,
      concat({big_endian_16(32), {&label_size, 1}, as_bytes(kPrefix), as_bytes(label), {&context_size, 1}, context}),
      32);
}

Bytes preamble_of(const Transcript& transcript) {
  return concat({as_bytes("OPAQUEv1-"), big_endian_16(transcript.context.size()), transcript.context,
                 big_endian_16(transcript.client_identity.size()), transcript.client_identity, transcript.ke1,
                 big_endian_16(transcript.server_identity.size()), transcript.server_identity,
                 transcript.credential_response, transcript.server_nonce, transcript.server_keyshare});
}

}  // namespace

Agreement agree(const Transcript& transcript, const Point& first, const Point& second, const Point& third) {
  const SecretBytes input =
      concat_secret({SecretBytes::adopt(first.encode()).view(), SecretBytes::adopt(second.encode()).view(),
                     SecretBytes::adopt(third.encode()).view()});
  const SecretBytes secret = hkdf_extract({}, input.view());
  const Bytes preamble = preamble_of(transcript);
  const Hash256 said = sha256(preamble);
  const SecretBytes handshake = expand_label(secret.view(), "HandshakeSecret", said.view());
  Agreement agreement{expand_label(secret.view(), "SessionKey", said.view()), {}, {}};
  agreement.server_mac = hmac_sha256(expand_label(handshake.view(), "ServerMAC", {}).view(), {said.view()});
  const Hash256 all_said = sha256({preamble, agreement.server_mac.view()});
  agreement.client_mac = hmac_sha256(expand_label(handshake.view(), "ClientMAC", {}).view(), {all_said.view()});
  return agreement;
}

}  // namespace skymoor::crypto::opaque
