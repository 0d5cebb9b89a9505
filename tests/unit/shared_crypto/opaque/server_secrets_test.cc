#include "shared/crypto/opaque.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto::opaque {
namespace {

TEST(ServerSecretsTest, RoundTrip) {
  RepeatableRandom random;
  const ServerSecrets secrets = ServerSecrets::generate(random);
  const SecretBytes file = secrets.serialize();
  EXPECT_EQ(file.size(), 4u + 1 + 32 + 32 + 33 + 4);
  const auto parsed = ServerSecrets::parse(file.view());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(hex_of(parsed->oprf_seed), hex_of(secrets.oprf_seed));
  EXPECT_EQ(hex_of(parsed->private_key), hex_of(secrets.private_key));
  EXPECT_EQ(parsed->public_key, secrets.public_key);
}

TEST(ServerSecretsTest, EveryDamageIsFound) {
  RepeatableRandom random;
  const SecretBytes file = ServerSecrets::generate(random).serialize();
  for (std::size_t at = 0; at < file.size(); ++at) {
    Bytes damaged = to_bytes(file.view());
    damaged[at] ^= 0x01;
    const auto parsed = ServerSecrets::parse(damaged);
    ASSERT_FALSE(parsed.ok()) << at;
    EXPECT_EQ(parsed.error().code(), Code::kCorrupt);
    EXPECT_FALSE(ServerSecrets::parse(file.view().first(at)).ok()) << at;
  }
  Bytes longer = to_bytes(file.view());
  longer.push_back(0);
  EXPECT_FALSE(ServerSecrets::parse(longer).ok());
}

TEST(ServerSecretsTest, TwoServersDiffer) {
  RepeatableRandom random;
  const ServerSecrets first = ServerSecrets::generate(random), second = ServerSecrets::generate(random);
  EXPECT_NE(hex_of(first.oprf_seed), hex_of(second.oprf_seed));
  EXPECT_NE(first.public_key, second.public_key);
}

}  // namespace
}  // namespace skymoor::crypto::opaque
