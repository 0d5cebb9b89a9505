#include "shared/crypto/signature.h"

#include "shared/crypto/primitives/x25519.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

PublicKey public_key(std::string_view text) {
  PublicKey key;
  const Bytes bytes = hex(text);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

struct Ed25519Vector {
  const char *seed, *public_key, *message, *signature;
};
constexpr Ed25519Vector kEd25519[] = {
    // RFC 8032, section 7.1, tests 1 to 3
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Ed25519Test, Rfc8032) {
  for (const auto& vector : kEd25519) {
    SCOPED_TRACE(vector.message);
    const KeyPair key = ed25519_from_seed(hex(vector.seed));
    EXPECT_EQ(hex_of(key.public_key), vector.public_key);
    EXPECT_EQ(hex_of(ed25519_sign(key, hex(vector.message))), vector.signature);
    EXPECT_TRUE(ed25519_verify(key.public_key, hex(vector.message), hex(vector.signature)));
  }
}

TEST(Ed25519Test, RefusesWhatWycheproofCallsInvalid) {
  const PublicKey key = public_key("7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa");
  const Bytes message = hex("54657374");
  const char* const signatures[] = {
      "",                                                                  // empty
      "7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab0",  // s missing
      // s + L: the same scalar, another spelling
      "7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab067654bce3832c2d76f8f6f5dafc08d93"
      "39d4eef676573336a5c51eb6f946b31d",
      "0000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000"};
  for (const char* signature : signatures) EXPECT_FALSE(ed25519_verify(key, message, hex(signature))) << signature;
}

TEST(Ed25519Test, AnyChangeMakesItInvalid) {
  RepeatableRandom random;
  const KeyPair key = ed25519_generate(random), other = ed25519_generate(random);
  const Signature signature = ed25519_sign(key, as_bytes("message"));
  EXPECT_TRUE(ed25519_verify(key.public_key, as_bytes("message"), signature));
  EXPECT_FALSE(ed25519_verify(key.public_key, as_bytes("massage"), signature));
  EXPECT_FALSE(ed25519_verify(other.public_key, as_bytes("message"), signature));
  for (std::size_t bit = 0; bit < 512; bit += 7) {
    Signature damaged = signature;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(ed25519_verify(key.public_key, as_bytes("message"), damaged)) << bit;
  }
}

TEST(Ed25519Test, KeysTakingTurnsOnOneThreadDoNotMix) {
  RepeatableRandom random;
  const KeyPair first = ed25519_generate(random), second = ed25519_generate(random);
  for (int i = 0; i < 3; ++i)
    for (const KeyPair* key : {&first, &second})
      EXPECT_TRUE(ed25519_verify(key->public_key, as_bytes("m"), ed25519_sign(*key, as_bytes("m"))));
}

// Signing under a public key that is not the seed's own would give the seed away (two answers, one nonce).
TEST(Ed25519Test, AForgedPublicKeyInThePairIsNotUsed) {
  RepeatableRandom random;
  const KeyPair key = ed25519_generate(random), other = ed25519_generate(random);
  const KeyPair forged{key.seed.clone(), other.public_key};
  EXPECT_EQ(ed25519_sign(forged, as_bytes("m")), ed25519_sign(key, as_bytes("m")));
}

TEST(X25519Test, Rfc7748) {  // section 6.1
  const KeyPair alice = x25519_from_seed(hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const KeyPair bob = x25519_from_seed(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(hex_of(alice.public_key), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(hex_of(bob.public_key), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  EXPECT_EQ(hex_of(*x25519(alice.seed.view(), bob.public_key)), shared);
  EXPECT_EQ(hex_of(*x25519(bob.seed.view(), alice.public_key)), shared);
}

TEST(X25519Test, LowOrderKeysGiveNothing) {
  const Bytes seed = hex("88227494038f2bb811d47805bcdf04a2ac585ada7f2f23389bfd4658f9ddd45e");
  for (const char* key : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"})
    EXPECT_FALSE(x25519(seed, public_key(key)).has_value()) << key;
}

}  // namespace
}  // namespace skymoor::crypto
