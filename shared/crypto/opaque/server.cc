// The front door's server side.
#include "shared/crypto/opaque/server_core.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

namespace {
SecretBytes random_bytes(Random& random) {
  SecretBytes bytes(32);
  random.fill(bytes.mutable_view());
  return bytes;
}
}  // namespace

Result<Bytes> server_registration_response(const ServerSecrets& secrets, ByteView credential_id, ByteView request) {
  const Scalar key = credential_oprf_key(secrets.oprf_seed.view(), credential_id);
  return concat({TRY(oprf_evaluate(key, request)), secrets.public_key});
}

Result<ServerLogin> server_login(const ServerSecrets& secrets, const Parameters& parameters, ByteView record,
                                 ByteView credential_id, ByteView ke1, Random& random) {
  TRY(check(parameters));
  // Made for known users as well: the time of the answer must not tell who is known.
  const Bytes fake = fake_record(secrets.oprf_seed.view(), credential_id);
  const ServerRandomness randomness{random_bytes(random), random_bytes(random), random_bytes(random)};
  return answer_ke1(secrets, handshake_context(parameters), record.empty() ? ByteView(fake) : record, credential_id,
                    ke1, {}, randomness);
}

}  // namespace skymoor::crypto::opaque
