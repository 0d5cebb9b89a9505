#include "shared/crypto/volume_cipher.h"

#include <set>

#include "shared/crypto/aead.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

constexpr InodeId kInode{7}, kOther{8};
constexpr OpId kOp{WriterId{5}, 9};

VolumeKey key_of(std::uint8_t volume = 0xaa, std::uint32_t epoch = 3) {
  VolumeKey key;
  key.volume.value.fill(volume);
  key.epoch = epoch;
  key.seed = SecretBytes(32);
  for (std::size_t i = 0; i < 32; ++i) key.seed.mutable_view()[i] = static_cast<std::uint8_t>(i);
  return key;
}

// Expected bytes from a second implementation, written from KEYS.md.
TEST(VolumeCipherTest, BytesAreThoseOfKeysMd) {
  const VolumeCipher cipher(key_of());
  EXPECT_EQ(cipher.name_token(kInode, "hello.txt").hex(),
            "9374832e4e243f916e9515c251a5e6ca30261dc5e73653bdea963db8d8e82cfe");
  EXPECT_EQ(cipher.xattr_token(kInode, "user.a").hex(),
            "c07b58e2a025e3386a1f2e2b8997a5da9b16a317ee5da6726d42758ee940e23c");
  EXPECT_EQ(hex_of(cipher.seal_name(kInode, kOther, "hello.txt")),
            "0285e39b290395ec847e419d987cc663bee4115c5960eee036c11bca4e337ec6dc7ad1e5bac862df9336013af8aef54d"
            "0f");
  EXPECT_EQ(hex_of(cipher.seal_target(kInode, "../there")),
            "01d342c735d4ec39273252d4fa2fafd6fb59c6563e25cfc7dbd3e5db02a34ad3109c01cf6ec4149a005ee7a9bc0cc646"
            "89");
  EXPECT_EQ(hex_of(cipher.seal_xattr(kInode, "user.a", as_bytes("value"))),
            "010c32693d42fd5b18142d660b58c5c1b5c164974c6b85eed511e46fd5");
  EXPECT_EQ(hex_of(cipher.seal_manifest(kInode, kOp, as_bytes("manifest"))),
            "01b51f89a02cbcfe2be8578f6375577aadaa4be83244f9b053");
  EXPECT_EQ(cipher.commit_proof(as_bytes("payload")).hex(),
            "b5e759a7e45a272156ae6d7fd98a5259646ed4f2ddc5459f34bf2f314a6f26cd");
}

TEST(VolumeCipherTest, NamesOfEveryLengthComeBackByteForByte) {
  const VolumeCipher cipher(key_of());
  std::string name;
  for (int size = 1; size <= 255; ++size) {
    name += static_cast<char>(size % 7 == 0 ? 0x80 : size);
    const Bytes sealed = cipher.seal_name(kInode, kOther, name);
    EXPECT_EQ((sealed.size() - 17) % 32, 0u);
    const auto opened = cipher.open_name(kInode, kOther, sealed);
    ASSERT_TRUE(opened.ok());
    ASSERT_EQ(*opened, name);
  }
}

TEST(VolumeCipherTest, NamesThatEndInPaddingBytesSurvive) {
  const VolumeCipher cipher(key_of());
  for (const std::string& name :
       {std::string("\x80"), std::string("a\0\0", 3), std::string("\x80\0", 2), std::string()})
    EXPECT_EQ(*cipher.open_name(kInode, kOther, cipher.seal_name(kInode, kOther, name)), name);
}

// Sealed by a member who holds the key but does not pad as everybody does: two spellings of one name.
TEST(VolumeCipherTest, OtherPaddingIsCorrupt) {
  const VolumeKey key = key_of();
  const VolumeCipher cipher(key);
  ByteWriter bound_to;
  bound_to.text("skymoor/name/v1");
  bound_to.raw(key.volume.view());
  bound_to.u32(key.epoch);
  bound_to.u64(kInode.value);
  bound_to.u64(kOther.value);
  const auto opens = [&](std::string_view padded) {
    Bytes sealed{2};
    append(sealed, siv_seal(key.name_key().view(), {bound_to.view()}, as_bytes(padded)));
    return cipher.open_name(kInode, kOther, sealed).ok();
  };
  EXPECT_TRUE(opens("a\x80" + std::string(30, '\0')));
  EXPECT_FALSE(opens("a\x80" + std::string(62, '\0')));  // a block too many
  EXPECT_FALSE(opens("a\x80" + std::string(29, '\0')));  // not a multiple of 32
  EXPECT_FALSE(opens("a\x81" + std::string(30, '\0')));  // another mark
  EXPECT_FALSE(opens(std::string(32, '\0')));
  EXPECT_FALSE(opens(""));
}

TEST(VolumeCipherTest, LengthIsHiddenInStepsOf32) {
  const VolumeCipher cipher(key_of());
  EXPECT_EQ(cipher.seal_name(kInode, kOther, "a").size(), cipher.seal_name(kInode, kOther, std::string(31, 'a')).size());
  EXPECT_LT(cipher.seal_name(kInode, kOther, "a").size(), cipher.seal_name(kInode, kOther, std::string(32, 'a')).size());
}

TEST(VolumeCipherTest, TokensAreEqualOnlyForOneNameInOnePlace) {
  const VolumeCipher cipher(key_of()), same(key_of()), next_epoch(key_of(0xaa, 4)), other_volume(key_of(0xab));
  EXPECT_EQ(cipher.name_token(kInode, "x"), same.name_token(kInode, "x"));
  const std::set<NameToken> tokens{cipher.name_token(kInode, "x"),     cipher.name_token(kInode, "y"),
                                   cipher.name_token(kOther, "x"),     cipher.xattr_token(kInode, "x"),
                                   next_epoch.name_token(kInode, "x"), other_volume.name_token(kInode, "x")};
  EXPECT_EQ(tokens.size(), 6u);
}

TEST(VolumeCipherTest, ACommitIsProvenOnlyByItsVolumesKey) {
  const Hash256 proof = VolumeCipher(key_of()).commit_proof(as_bytes("payload"));
  EXPECT_EQ(proof, VolumeCipher(key_of()).commit_proof(as_bytes("payload")));
  EXPECT_NE(proof, VolumeCipher(key_of()).commit_proof(as_bytes("payloae")));
  EXPECT_NE(proof, VolumeCipher(key_of(0xaa, 4)).commit_proof(as_bytes("payload")));
  EXPECT_NE(proof, VolumeCipher(key_of(0xab)).commit_proof(as_bytes("payload")));
}

TEST(VolumeCipherTest, MovedToAnotherInodeItDoesNotOpen) {
  const VolumeCipher cipher(key_of());
  EXPECT_EQ(cipher.open_name(kOther, kOther, cipher.seal_name(kInode, kOther, "x")).error().code(), Code::kCorrupt);
  EXPECT_EQ(cipher.open_target(kOther, cipher.seal_target(kInode, "x")).error().code(), Code::kCorrupt);
  EXPECT_EQ(cipher.open_xattr(kOther, cipher.seal_xattr(kInode, "n", {})).error().code(), Code::kCorrupt);
  EXPECT_EQ(cipher.open_manifest(kOther, kOp, cipher.seal_manifest(kInode, kOp, {})).error().code(), Code::kCorrupt);
}

TEST(VolumeCipherTest, ANameIsBoundToWhatItLeadsTo) {
  const VolumeCipher cipher(key_of());
  const Bytes sealed = cipher.seal_name(kInode, kOther, "x");
  EXPECT_EQ(*cipher.open_name(kInode, kOther, sealed), "x");
  EXPECT_EQ(cipher.open_name(kInode, kInode, sealed).error().code(), Code::kCorrupt);
}

// What older programs sealed, byte for byte.
TEST(VolumeCipherTest, NamesOfVersion1Open) {
  const Bytes sealed = *hex_decode(
      "01d77f0ab8b3ae149c7d2e0c84bd254041b71ba78e5289750c1f154a4d6b314217e102ded799e58c81a071187169185a7a");
  EXPECT_EQ(*VolumeCipher(key_of()).open_name(kInode, kOther, sealed), "hello.txt");
  EXPECT_FALSE(VolumeCipher(key_of()).open_name(kOther, kOther, sealed).ok());
}

TEST(VolumeCipherTest, AManifestIsBoundToItsCommit) {
  const VolumeCipher cipher(key_of());
  const Bytes sealed = cipher.seal_manifest(kInode, kOp, as_bytes("manifest"));
  EXPECT_EQ(as_text(*cipher.open_manifest(kInode, kOp, sealed)), "manifest");
  EXPECT_FALSE(cipher.open_manifest(kInode, OpId{WriterId{5}, 10}, sealed).ok());
  EXPECT_FALSE(cipher.open_manifest(kInode, OpId{WriterId{6}, 9}, sealed).ok());
}

TEST(VolumeCipherTest, OneKindDoesNotOpenAsAnother) {
  const VolumeCipher cipher(key_of());
  const Bytes sealed[] = {cipher.seal_name(kInode, kOther, "x"), cipher.seal_target(kInode, "x"),
                          cipher.seal_xattr(kInode, "x", {}), cipher.seal_manifest(kInode, kOp, as_bytes("x"))};
  for (int kind = 0; kind < 4; ++kind) {
    EXPECT_EQ(cipher.open_name(kInode, kOther, sealed[kind]).ok(), kind == 0);
    EXPECT_EQ(cipher.open_target(kInode, sealed[kind]).ok(), kind == 1);
    EXPECT_EQ(cipher.open_xattr(kInode, sealed[kind]).ok(), kind == 2);
    EXPECT_EQ(cipher.open_manifest(kInode, kOp, sealed[kind]).ok(), kind == 3);
  }
}

TEST(VolumeCipherTest, AnotherVolumeOrEpochDoesNotOpen) {
  const VolumeCipher cipher(key_of());
  const Bytes sealed = cipher.seal_name(kInode, kOther, "x");
  EXPECT_FALSE(VolumeCipher(key_of(0xab)).open_name(kInode, kOther, sealed).ok());
  EXPECT_FALSE(VolumeCipher(key_of(0xaa, 4)).open_name(kInode, kOther, sealed).ok());
}

TEST(VolumeCipherTest, DamageIsCorrupt) {
  const VolumeCipher cipher(key_of());
  const Bytes sealed = cipher.seal_name(kInode, kOther, "some name");
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes damaged = sealed;
    damaged[at] ^= 0x40;
    ASSERT_FALSE(cipher.open_name(kInode, kOther, damaged).ok()) << at;
    ASSERT_FALSE(cipher.open_name(kInode, kOther, ByteView(sealed).first(at)).ok()) << at;
  }
}

TEST(VolumeCipherTest, XattrsCarryNameAndValue) {
  const VolumeCipher cipher(key_of());
  const Bytes value(64 * 1024, 0x33);
  const auto opened = cipher.open_xattr(kInode, cipher.seal_xattr(kInode, "user.big", value));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->name, "user.big");
  EXPECT_EQ(opened->value, value);
  EXPECT_TRUE(cipher.open_xattr(kInode, cipher.seal_xattr(kInode, "user.empty", {}))->value.empty());
}

TEST(VolumeCipherTest, ManyThreadsOneCipher) {
  const VolumeCipher cipher(key_of());
  const Bytes expected = cipher.seal_name(kInode, kOther, "shared");
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (cipher.seal_name(kInode, kOther, "shared") != expected || !cipher.open_name(kInode, kOther, expected).ok()) ++wrong;
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace skymoor::crypto
