#include "shared/crypto/key_hierarchy.h"

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

SecretBytes counting_seed() {
  SecretBytes seed(32);
  for (std::size_t i = 0; i < seed.size(); ++i) seed.mutable_view()[i] = static_cast<std::uint8_t>(i);
  return seed;
}

VolumeId volume_of(std::uint8_t byte) {
  VolumeId id;
  id.value.fill(byte);
  return id;
}

WrapContext some_context() { return {"puk.password", Bytes(16, 0xbb), 2, to_bytes("cred")}; }

// The expected values come from a second implementation (Python's hmac and its AES-SIV), written from KEYS.md: a change
// of label or shape makes every existing volume unreadable, and must fail here.
TEST(VolumeKeyTest, DerivationsAreThoseOfKeysMd) {
  const VolumeKey key{volume_of(0xaa), 3, counting_seed()};
  EXPECT_EQ(hex_of(key.block_key()), "affcaa4bb216c4b5e10dc55245c9dce9b80272545ea849d7bc8de1083ac9440f");
  EXPECT_EQ(hex_of(key.metadata_key()),
            "01adf9ea46695623034fe96e1359b4f8517c96f74b647a432ad1e6e2f52dc07a"
            "83c728279e7b25790f2b70b39539f6fc9950c7b01dfa535a9d841e3e452079d6");
  EXPECT_EQ(hex_of(key.name_key()),
            "e991c6d52d3ddadbd4d6da560864f6ca6fcd4874d47fe4fbb2f6921e5bb42641"
            "aac73302e6eeb78cdb012a1ff63c90a4d8fc1b436b0de264ff2ce9b7f3b05009");
  EXPECT_EQ(hex_of(key.token_key()), "a439f6b835f808bc9e6a5859ab9c03c1d2ab812b1003aacbbc1d8d1f48546e89");
  EXPECT_EQ(hex_of(key.chunker_key()), "f524bc212806e14a5ae3572e2d231d2daebe339c6b6cc6caaf5a0b8faeae414f");
  EXPECT_EQ(hex_of(key.commit_key()), "3dde8839f57471114759178524ea53599f73e519fc036399c5df2e3b599f100e");
}

TEST(UserKeyTest, DerivationsAreThoseOfKeysMd) {
  const UserKey key{1, counting_seed()};
  EXPECT_EQ(hex_of(key.sealing_key().seed), "74ed22fcf0437de2f96676f0761b1045b32c8d41e3ce7d183c72cf732f30f118");
  EXPECT_EQ(hex_of(key.signing_key().seed), "8e6d211c25edb84e51c62622d74cb56f3b323b4053340df66f8c9e08c293c5d3");
}

TEST(WrapTest, BytesAreThoseOfKeysMd) {
  SecretBytes secret(32);
  for (std::size_t i = 0; i < secret.size(); ++i) secret.mutable_view()[i] = static_cast<std::uint8_t>(100 + i);
  EXPECT_EQ(hex_of(wrap_key(counting_seed().view(), some_context(), secret.view())),
            "011a866cb38e8186740ee66fba2cce23c06600c499c9b997f5bc761892d3772fccd3db3b69b0f41b1d1eaf193fce0fde"
            "09");
}

TEST(VolumeKeyTest, EpochVolumeAndSeedAllChangeEveryKey) {
  const VolumeKey key{volume_of(1), 1, counting_seed()};
  const VolumeKey others[] = {
      {volume_of(2), 1, counting_seed()}, {volume_of(1), 2, counting_seed()}, {volume_of(1), 1, SecretBytes(32)}};
  for (const VolumeKey& other : others) {
    EXPECT_NE(hex_of(key.block_key()), hex_of(other.block_key()));
    EXPECT_NE(hex_of(key.metadata_key()), hex_of(other.metadata_key()));
    EXPECT_NE(hex_of(key.name_key()), hex_of(other.name_key()));
    EXPECT_NE(hex_of(key.token_key()), hex_of(other.token_key()));
    EXPECT_NE(hex_of(key.chunker_key()), hex_of(other.chunker_key()));
    EXPECT_NE(hex_of(key.commit_key()), hex_of(other.commit_key()));
  }
}

TEST(WrapTest, OpensOnlyUnderTheSameWordsAndKey) {
  const Bytes wrapped = wrap_key(as_bytes("export key"), some_context(), as_bytes("secret"));
  const auto opened = unwrap_key(as_bytes("export key"), some_context(), wrapped);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(as_text(opened->view()), "secret");

  EXPECT_FALSE(unwrap_key(as_bytes("another key"), some_context(), wrapped).ok());
  WrapContext context = some_context();
  context.purpose = "puk.recovery";
  EXPECT_EQ(unwrap_key(as_bytes("export key"), context, wrapped).error().code(), Code::kCorrupt);
  context = some_context();
  context.owner[0] ^= 1;
  EXPECT_FALSE(unwrap_key(as_bytes("export key"), context, wrapped).ok());
  context = some_context();
  context.generation = 3;
  EXPECT_FALSE(unwrap_key(as_bytes("export key"), context, wrapped).ok());
  context = some_context();
  context.parent = to_bytes("crec");
  EXPECT_FALSE(unwrap_key(as_bytes("export key"), context, wrapped).ok());
}

TEST(WrapTest, WordsDoNotRunIntoEachOther) {
  const WrapContext first{"ab", to_bytes("c"), 1, {}}, second{"a", to_bytes("bc"), 1, {}};
  EXPECT_FALSE(unwrap_key(as_bytes("k"), second, wrap_key(as_bytes("k"), first, as_bytes("s"))).ok());
}

TEST(WrapTest, DamagedShortOrOfAnotherVersionIsCorrupt) {
  const Bytes wrapped = wrap_key(as_bytes("k"), some_context(), as_bytes("secret"));
  for (std::size_t at = 0; at < wrapped.size(); ++at) {
    Bytes damaged = wrapped;
    damaged[at] ^= 0x10;
    ASSERT_FALSE(unwrap_key(as_bytes("k"), some_context(), damaged).ok()) << at;
    ASSERT_FALSE(unwrap_key(as_bytes("k"), some_context(), ByteView(wrapped).first(at)).ok()) << at;
  }
}

TEST(UserKeyTest, GenerationsDiffer) {
  RepeatableRandom random;
  const UserKey first = UserKey::generate(random), second = UserKey::generate(random);
  EXPECT_NE(hex_of(first.seed), hex_of(second.seed));
  EXPECT_NE(first.sealing_key().public_key, second.sealing_key().public_key);
  EXPECT_NE(first.sealing_key().public_key, first.signing_key().public_key);
}

TEST(VolumeKeySealTest, MemberOpensAndNobodyElse) {
  RepeatableRandom random;
  const VolumeId volume = volume_of(9);
  const VolumeKey key = VolumeKey::generate(volume, random);
  const UserKey user = UserKey::generate(random), stranger = UserKey::generate(random);
  const KeyPair member = user.sealing_key(), other = stranger.sealing_key(), giver = user.signing_key();
  const Bytes sealed = seal_volume_key(key, member.public_key, giver, random);
  EXPECT_EQ(sealed.size(), 145u);
  const auto open = [&](VolumeId id, std::uint32_t epoch, const KeyPair& to, const PublicKey& by, ByteView bytes) {
    const auto opened = open_volume_key(id, epoch, to, by, bytes);
    return opened.ok() ? std::optional<Code>() : opened.error().code();
  };
  const auto opened = open_volume_key(volume, 1, member, giver.public_key, sealed);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(hex_of(opened->seed), hex_of(key.seed));
  EXPECT_EQ(opened->volume, volume);
  EXPECT_EQ(opened->epoch, 1u);

  EXPECT_EQ(open(volume, 1, other, giver.public_key, sealed), Code::kBadSignature);
  EXPECT_EQ(open(volume, 2, member, giver.public_key, sealed), Code::kBadSignature);
  EXPECT_EQ(open(volume_of(8), 1, member, giver.public_key, sealed), Code::kBadSignature);
  EXPECT_EQ(open(volume, 1, member, giver.public_key, {}), Code::kCorrupt);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes damaged = sealed;
    damaged[at] ^= 1;
    ASSERT_TRUE(open(volume, 1, member, giver.public_key, damaged)) << at;
    ASSERT_TRUE(open(volume, 1, member, giver.public_key, ByteView(sealed).first(at))) << at;
  }
  EXPECT_TRUE(seal_volume_key(key, PublicKey{}, giver, random).empty());
}

// Public keys are known to the server: what it seals to the member itself, it cannot sign.
TEST(VolumeKeySealTest, AKeyThatTheServerMadeIsRefused) {
  RepeatableRandom random;
  const VolumeId volume = volume_of(9);
  const UserKey user = UserKey::generate(random), server = UserKey::generate(random);
  const KeyPair member = user.sealing_key(), giver = user.signing_key();
  const VolumeKey mine = VolumeKey::generate(volume, random), its = VolumeKey::generate(volume, random);
  const Bytes genuine = seal_volume_key(mine, member.public_key, giver, random);
  Bytes forged = seal_volume_key(its, member.public_key, server.signing_key(), random);
  EXPECT_TRUE(open_volume_key(volume, 1, member, server.signing_key().public_key, forged).ok());
  EXPECT_EQ(open_volume_key(volume, 1, member, giver.public_key, forged).error().code(), Code::kBadSignature);
  std::copy(genuine.end() - 64, genuine.end(), forged.end() - 64);   // a true signature, of another key
  EXPECT_EQ(open_volume_key(volume, 1, member, giver.public_key, forged).error().code(), Code::kBadSignature);
  Bytes bound;
  append(bound, volume.view());
  append(bound, Bytes{1, 0, 0, 0});
  Bytes old{1};   // the form before there were signatures
  append(old, hpke_seal(member.public_key, as_bytes("skymoor/volume-key/v1"), bound, its.seed.view(), random));
  EXPECT_EQ(open_volume_key(volume, 1, member, giver.public_key, old).error().code(), Code::kBadSignature);
}

}  // namespace
}  // namespace skymoor::crypto
