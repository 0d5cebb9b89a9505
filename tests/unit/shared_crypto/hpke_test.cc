#include "shared/crypto/primitives/hpke_schedule.h"
#include "shared/crypto/primitives/x25519.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

// RFC 9180's test vectors, mode base, KEM 0x0020, KDF 0x0001, AEAD 0x0002 (AES-256-GCM).
constexpr std::string_view kInfo = "4f6465206f6e2061204772656369616e2055726e";
constexpr std::string_view kEphemeralInput = "2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9";
constexpr std::string_view kRecipientInput = "dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee";
constexpr std::string_view kRecipientSecret = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d";
constexpr std::string_view kRecipientPublic = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";
constexpr std::string_view kEnc = "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256";
constexpr std::string_view kPlaintext = "4265617574792069732074727574682c20747275746820626561757479";
constexpr std::string_view kAad = "436f756e742d30";
constexpr std::string_view kCiphertext =
    "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a";

TEST(HpkeTest, KeyPairFromInput) {
  const KeyPair recipient = hpke::derive_key_pair(hex(kRecipientInput));
  EXPECT_EQ(hex_of(recipient.seed), kRecipientSecret);
  EXPECT_EQ(hex_of(recipient.public_key), kRecipientPublic);
  EXPECT_EQ(hex_of(hpke::derive_key_pair(hex(kEphemeralInput)).public_key), kEnc);
}

TEST(HpkeTest, KemSharedSecret) {  // RFC 9180, appendix A.1.1: the KEM does not depend on the AEAD
  const KeyPair ephemeral = x25519_from_seed(hex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"));
  const KeyPair recipient = x25519_from_seed(hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"));
  EXPECT_EQ(hex_of(ephemeral.public_key), "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
  EXPECT_EQ(hex_of(recipient.public_key), "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
  const auto agreed = x25519(ephemeral.seed.view(), recipient.public_key);
  ASSERT_TRUE(agreed.has_value());
  EXPECT_EQ(hex_of(hpke::kem_shared_secret(agreed->view(), ephemeral.public_key, recipient.public_key)),
            "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
}

TEST(HpkeTest, ScheduleExportsTheVectorsValues) {
  const KeyPair ephemeral = hpke::derive_key_pair(hex(kEphemeralInput));
  const KeyPair recipient = hpke::derive_key_pair(hex(kRecipientInput));
  const auto agreed = x25519(recipient.seed.view(), ephemeral.public_key);
  const auto shared = hpke::kem_shared_secret(agreed->view(), ephemeral.public_key, recipient.public_key);
  const hpke::Schedule schedule = hpke::key_schedule(shared.view(), hex(kInfo));
  EXPECT_EQ(hex_of(hpke::export_secret(schedule, {}, 32)),
            "ded6cffafaea6b812cbf3e241e88332adbc077aca81512914213810ee291770a");
  EXPECT_EQ(hex_of(hpke::export_secret(schedule, as_bytes("TestContext"), 32)),
            "7c5ded445732c14fe09727d29b4251c0fd38455fe8440571e687f0886aac94d2");
}

TEST(HpkeTest, SealGivesTheVectorsBytesAndOpens) {
  const KeyPair recipient = hpke::derive_key_pair(hex(kRecipientInput));
  FixedRandom random(hex(kEphemeralInput));
  const Bytes sealed = hpke_seal(recipient.public_key, hex(kInfo), hex(kAad), hex(kPlaintext), random);
  EXPECT_EQ(hex_of(sealed), std::string(kEnc) + std::string(kCiphertext));
  const auto opened = hpke_open(recipient, hex(kInfo), hex(kAad), sealed);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(hex_of(*opened), kPlaintext);
}

TEST(HpkeTest, AnyChangeIsCorrupt) {
  RepeatableRandom random;
  const KeyPair recipient = x25519_generate(random), other = x25519_generate(random);
  const Bytes sealed = hpke_seal(recipient.public_key, as_bytes("info"), as_bytes("aad"), as_bytes("message"), random);
  EXPECT_TRUE(hpke_open(recipient, as_bytes("info"), as_bytes("aad"), sealed).ok());
  EXPECT_FALSE(hpke_open(recipient, as_bytes("info2"), as_bytes("aad"), sealed).ok());
  EXPECT_FALSE(hpke_open(recipient, as_bytes("info"), as_bytes("aae"), sealed).ok());
  EXPECT_FALSE(hpke_open(other, as_bytes("info"), as_bytes("aad"), sealed).ok());
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes damaged = sealed;
    damaged[at] ^= 1;
    const auto opened = hpke_open(recipient, as_bytes("info"), as_bytes("aad"), damaged);
    ASSERT_FALSE(opened.ok()) << at;
    EXPECT_EQ(opened.error().code(), Code::kCorrupt);
    EXPECT_FALSE(hpke_open(recipient, as_bytes("info"), as_bytes("aad"), ByteView(sealed).first(at)).ok());
  }
}

TEST(HpkeTest, LowOrderKeysSealAndOpenNothing) {
  RepeatableRandom random;
  const KeyPair recipient = x25519_generate(random);
  EXPECT_TRUE(hpke_seal(PublicKey{}, {}, {}, as_bytes("message"), random).empty());
  const auto opened = hpke_open(recipient, {}, {}, Bytes(32 + 16 + 7));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace skymoor::crypto
