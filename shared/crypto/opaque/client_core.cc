#include "shared/crypto/opaque/client_core.h"

#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

namespace {

Result<SecretBytes> randomized_password(ByteView oprf_input, const Scalar& blind, ByteView evaluated,
                                        const Stretch& stretch) {
  const SecretBytes output = TRY(oprf_finalize(oprf_input, blind, evaluated));
  const SecretBytes stretched = TRY(stretch(output.view()));
  return hkdf_extract({}, concat_secret({output.view(), stretched.view()}).view());
}

// One answer for "not your password" and "not your server": the client cannot tell them apart before it has the keys.
Error wrong_password() { return Error(Code::kWrongPassword, "wrong user name or password"); }

struct Ke2 {
  ByteView credential_response, evaluated, masking_nonce, masked, server_nonce, server_keyshare, server_mac;
};

Result<Ke2> split_ke2(ByteView ke2) {
  if (ke2.size() != kKe2Bytes) return Error(Code::kInvalidArgument, "KE2 of wrong length");
  ByteReader reader(ke2);
  Ke2 parts;
  parts.credential_response = ke2.first(kCredentialResponseBytes);
  parts.evaluated = reader.raw(kPointBytes);
  parts.masking_nonce = reader.raw(kNonceBytes);
  parts.masked = reader.raw(kMaskedBytes);
  parts.server_nonce = reader.raw(kNonceBytes);
  parts.server_keyshare = reader.raw(kPointBytes);
  parts.server_mac = reader.raw(Hash256::kSize);
  TRY(reader.finish("KE2"));
  return parts;
}

}  // namespace

Result<ClientRegistration::Outcome> finish_registration(ByteView oprf_input, const Scalar& blind, ByteView response,
                                                        ByteView envelope_nonce, const Identities& identities,
                                                        const Stretch& stretch) {
  if (response.size() != kRegistrationResponseBytes)
    return Error(Code::kInvalidArgument, "registration response of wrong length");
  const ByteView server_public_key = response.subspan(kPointBytes);
  TRY(Point::decode(server_public_key));
  const SecretBytes password = TRY(randomized_password(oprf_input, blind, response.first(kPointBytes), stretch));
  OpenedEnvelope envelope = derive_envelope(password.view(), envelope_nonce, server_public_key, identities);
  return ClientRegistration::Outcome{concat({envelope.client.public_key, derive_masking_key(password.view()).view(),
                                             envelope_nonce, envelope.tag.view()}),
                                     std::move(envelope.export_key)};
}

Result<ClientHello> make_ke1(ByteView oprf_input, Scalar blind, ByteView client_nonce, ByteView keyshare_seed) {
  const Bytes request = TRY(oprf_blind(oprf_input, blind));
  GroupKeyPair keyshare = derive_diffie_hellman_key_pair(keyshare_seed);
  Bytes ke1 = concat({request, client_nonce, keyshare.public_key});
  return ClientHello{std::move(blind), std::move(keyshare.private_key), std::move(ke1)};
}

Result<ClientLogin::Outcome> finish_login(ByteView context, ByteView oprf_input, const ClientHello& hello, ByteView ke2,
                                          const Identities& identities, const Stretch& stretch) {
  const Ke2 parts = TRY(split_ke2(ke2));
  const Point server_keyshare = TRY(Point::decode(parts.server_keyshare));
  const SecretBytes password = TRY(randomized_password(oprf_input, hello.blind, parts.evaluated, stretch));
  const Bytes unmasked =
      apply_credential_pad(derive_masking_key(password.view()).view(), parts.masking_nonce, parts.masked);
  const ByteView server_public_key = ByteView(unmasked).first(kPointBytes);
  const ByteView nonce = ByteView(unmasked).subspan(kPointBytes, kNonceBytes);
  const ByteView tag = ByteView(unmasked).last(Hash256::kSize);
  OpenedEnvelope envelope = derive_envelope(password.view(), nonce, server_public_key, identities);
  if (!constant_time_equal(envelope.tag.view(), tag)) return wrong_password();

  const auto server_key = Point::decode(server_public_key);
  if (!server_key.ok()) return wrong_password();
  const Transcript transcript{.context = context,
                              .client_identity = identity_or(identities.client, envelope.client.public_key),
                              .ke1 = hello.ke1,
                              .server_identity = identity_or(identities.server, server_public_key),
                              .credential_response = parts.credential_response,
                              .server_nonce = parts.server_nonce,
                              .server_keyshare = parts.server_keyshare};
  Agreement agreement = agree(transcript, server_keyshare.times(hello.keyshare), server_key->times(hello.keyshare),
                              server_keyshare.times(envelope.client.private_key));
  if (!constant_time_equal(agreement.server_mac.view(), parts.server_mac)) return wrong_password();
  return ClientLogin::Outcome{to_bytes(agreement.client_mac.view()), std::move(agreement.session_key),
                              std::move(envelope.export_key)};
}

}  // namespace skymoor::crypto::opaque
