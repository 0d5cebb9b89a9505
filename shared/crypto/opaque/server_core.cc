#include "shared/crypto/opaque/server_core.h"

#include "shared/crypto/keys/labels.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

Scalar credential_oprf_key(ByteView oprf_seed, ByteView credential_id) {
  const SecretBytes seed = hkdf_expand(oprf_seed, concat({credential_id, as_bytes("OprfKey")}), 32);
  return std::move(oprf_derive_key_pair(seed.view(), as_bytes("OPAQUE-DeriveKeyPair")).private_key);
}

Bytes fake_record(ByteView oprf_seed, ByteView credential_id) {
  const SecretBytes seed = hkdf_expand(oprf_seed, concat({credential_id, as_bytes(labels::kOpaqueFakeRecord)}), 64);
  const GroupKeyPair nobody = derive_diffie_hellman_key_pair(seed.view().first(32));
  return concat({nobody.public_key, seed.view().last(32), Bytes(kEnvelopeBytes)});
}

namespace {

struct Ke1 {
  ByteView blinded, keyshare;
};

Result<Ke1> split_ke1(ByteView ke1) {
  if (ke1.size() != kKe1Bytes) return Error(Code::kInvalidArgument, "KE1 of wrong length");
  return Ke1{ke1.first(kPointBytes), ke1.last(kPointBytes)};
}

struct Record {
  Point client_public_key;
  ByteView client_public_bytes, masking_key, envelope;
};

Result<Record> split_record(ByteView record) {
  if (record.size() != kRecordBytes) return Error(Code::kCorrupt, "password record of wrong length");
  const ByteView public_bytes = record.first(kPointBytes);
  auto point = Point::decode(public_bytes);
  if (!point.ok()) return Error(Code::kCorrupt, "password record with a bad key");
  return Record{std::move(*point), public_bytes, record.subspan(kPointBytes, 32), record.last(kEnvelopeBytes)};
}

}  // namespace

Result<ServerLogin> answer_ke1(const ServerSecrets& secrets, ByteView context, ByteView record, ByteView credential_id,
                               ByteView ke1, const Identities& identities, const ServerRandomness& randomness) {
  const Ke1 hello = TRY(split_ke1(ke1));
  const Point client_keyshare = TRY(Point::decode(hello.keyshare));
  const Bytes evaluated =
      TRY(oprf_evaluate(credential_oprf_key(secrets.oprf_seed.view(), credential_id), hello.blinded));
  const Record stored = TRY(split_record(record));
  const auto server_key = Scalar::decode(secrets.private_key.view());
  if (!server_key.ok()) return Error(Code::kCorrupt, "the server's login key is damaged");

  const Bytes masked = apply_credential_pad(stored.masking_key, randomness.masking_nonce.view(),
                                            concat({secrets.public_key, stored.envelope}));
  const Bytes response = concat({evaluated, randomness.masking_nonce.view(), masked});
  const GroupKeyPair keyshare = derive_diffie_hellman_key_pair(randomness.keyshare_seed.view());
  const Transcript transcript{.context = context,
                              .client_identity = identity_or(identities.client, stored.client_public_bytes),
                              .ke1 = ke1,
                              .server_identity = identity_or(identities.server, secrets.public_key),
                              .credential_response = response,
                              .server_nonce = randomness.server_nonce.view(),
                              .server_keyshare = keyshare.public_key};
  Agreement agreement = agree(transcript, client_keyshare.times(keyshare.private_key),
                              client_keyshare.times(*server_key), stored.client_public_key.times(keyshare.private_key));
  return ServerLogin{
      concat({response, randomness.server_nonce.view(), keyshare.public_key, agreement.server_mac.view()}),
      to_bytes(agreement.client_mac.view()), std::move(agreement.session_key)};
}

}  // namespace skymoor::crypto::opaque
