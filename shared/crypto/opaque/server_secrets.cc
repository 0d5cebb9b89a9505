// File form of the key service's secrets: magic "SKOS" 4, version 1, OPRF seed 32, private key 32, public key 33,
// CRC-32C 4. The public key can be worked out from the private one; it is there to find damage.
#include "shared/crypto/opaque.h"
#include "shared/crypto/opaque/envelope.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

namespace {
constexpr std::string_view kMagic = "SKOS";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSeedBytes = 32;
}  // namespace

ServerSecrets ServerSecrets::generate(Random& random) {
  SecretBytes oprf_seed(kSeedBytes), key_seed(kSeedBytes);
  random.fill(oprf_seed.mutable_view());
  random.fill(key_seed.mutable_view());
  GroupKeyPair pair = derive_diffie_hellman_key_pair(key_seed.view());
  return {std::move(oprf_seed), SecretBytes(pair.private_key.bytes()), std::move(pair.public_key)};
}

SecretBytes ServerSecrets::serialize() const {
  const SecretBytes body =
      concat_secret({as_bytes(kMagic), {&kVersion, 1}, oprf_seed.view(), private_key.view(), public_key});
  ByteWriter sum;
  sum.u32(crc32c(body.view()));
  return concat_secret({body.view(), sum.view()});
}

Result<ServerSecrets> ServerSecrets::parse(ByteView bytes) {
  ByteReader reader(bytes);
  const bool known = as_text(reader.raw(kMagic.size())) == kMagic && reader.u8() == kVersion;
  if (!known) return Error(Code::kCorrupt, "login secrets: not the file of a key service");
  ServerSecrets secrets{SecretBytes(reader.raw(kSeedBytes)), SecretBytes(reader.raw(kScalarBytes)),
                        to_bytes(reader.raw(kPointBytes))};
  const std::size_t body_bytes = reader.position();
  const std::uint32_t sum = reader.u32();
  TRY(reader.finish("login secrets"));
  const auto scalar = Scalar::decode(secrets.private_key.view());
  if (sum != crc32c(bytes.first(body_bytes)) || !scalar.ok() ||
      Point::base_times(*scalar).encode() != secrets.public_key)
    return Error(Code::kCorrupt, "login secrets: damaged");
  return secrets;
}

}  // namespace skymoor::crypto::opaque
