#include "shared/crypto/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "shared/crypto/primitives/siv.h"
#include "tests/unit/shared_crypto/aead_vectors.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

TEST(GcmTest, KnownAnswers) {
  for (const auto& vector : vectors::kGcm) {
    SCOPED_TRACE(vector.tag);
    const Bytes sealed = hex(std::string(vector.ciphertext) + vector.tag);
    Bytes opened;
    const Status status = gcm_open(hex(vector.key), hex(vector.nonce), hex(vector.aad), sealed, opened);
    ASSERT_EQ(status.ok(), vector.valid);
    if (!vector.valid) continue;
    EXPECT_EQ(hex_of(opened), vector.message);
    Bytes out;
    gcm_seal(hex(vector.key), hex(vector.nonce), hex(vector.aad), hex(vector.message), out);
    EXPECT_EQ(hex_of(out), hex_of(sealed));
  }
}

TEST(GcmTest, AppendsToWhatIsThere) {
  const Bytes key(32, 1), nonce(12, 2);
  Bytes out = to_bytes("head");
  gcm_seal(key, nonce, {}, as_bytes("message"), out);
  ASSERT_EQ(out.size(), 4 + 7 + kTagBytes);
  EXPECT_EQ(as_text(ByteView(out).first(4)), "head");
  Bytes opened = to_bytes("before:");
  ASSERT_TRUE(gcm_open(key, nonce, {}, ByteView(out).subspan(4), opened).ok());
  EXPECT_EQ(as_text(opened), "before:message");
}

TEST(GcmTest, EveryFlippedBitIsCorruptAndLeavesOutAsItWas) {
  const Bytes key(32, 1), nonce(12, 2);
  Bytes sealed;
  gcm_seal(key, nonce, as_bytes("aad"), as_bytes("a short message"), sealed);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes damaged = sealed;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    Bytes out = to_bytes("kept");
    const Status status = gcm_open(key, nonce, as_bytes("aad"), damaged, out);
    ASSERT_FALSE(status.ok());
    ASSERT_EQ(status.error().code(), Code::kCorrupt);
    ASSERT_EQ(as_text(out), "kept");
  }
  Bytes out;
  EXPECT_FALSE(gcm_open(key, nonce, as_bytes("aae"), sealed, out).ok());
  EXPECT_FALSE(gcm_open(Bytes(32, 9), nonce, as_bytes("aad"), sealed, out).ok());
  EXPECT_FALSE(gcm_open(Bytes(31, 1), nonce, as_bytes("aad"), sealed, out).ok());
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(gcm_open(key, nonce, as_bytes("aad"), ByteView(sealed).first(size), out).ok());
}

TEST(GcmTest, SealsAndOpensWhereTheBytesLieInHoweverManyPieces) {
  const Bytes key(32, 1), nonce(12, 2), aad = to_bytes("aad");
  Bytes message;
  for (int i = 0; i < 1000; ++i) message.push_back(static_cast<std::uint8_t>(i * 7));
  Bytes sealed;
  gcm_seal(key, nonce, aad, message, sealed);
  Bytes place = message;
  const auto tag = gcm_seal_in_place(key, nonce, aad, place);
  append(place, tag);
  EXPECT_EQ(place, sealed);

  for (std::size_t first : {0u, 1u, 16u, 17u, 999u, 1000u, 1001u, 1015u, 1016u})
    for (std::size_t second : {0u, 1u, 15u, 16u, 500u}) {
      place = sealed;
      const std::size_t middle = std::min(second, place.size() - first);
      const std::array<std::span<std::uint8_t>, 3> parts{std::span(place).first(first), std::span(place).subspan(first, middle),
                                                         std::span(place).subspan(first + middle)};
      ASSERT_TRUE(gcm_open_in_place(key, nonce, aad, parts).ok()) << first << ", " << second;
      EXPECT_TRUE(std::equal(message.begin(), message.end(), place.begin())) << first << ", " << second;
      place = sealed;
      place[(first + second) % place.size()] ^= 1;
      EXPECT_EQ(gcm_open_in_place(key, nonce, aad, parts).error().code(), Code::kCorrupt) << first << ", " << second;
      EXPECT_TRUE(std::all_of(place.begin(), place.begin() + 1000, [](std::uint8_t byte) { return byte == 0; }))
          << "plaintext that nobody vouches for stays";
    }
  const std::span<const std::span<std::uint8_t>> nothing;
  EXPECT_FALSE(gcm_open_in_place(key, nonce, aad, nothing).ok());
}

TEST(GcmTest, FailureLeavesNoErrorForTlsOnTheSameThread) {
  ERR_clear_error();
  Bytes out;
  EXPECT_FALSE(gcm_open(Bytes(32, 1), Bytes(12, 2), {}, Bytes(64, 3), out).ok());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(GcmTest, FourMebibytes) {
  const Bytes key(32, 1), nonce(12, 2), message(4 * 1024 * 1024, 0x5a);
  Bytes sealed, opened;
  gcm_seal(key, nonce, {}, message, sealed);
  ASSERT_TRUE(gcm_open(key, nonce, {}, sealed, opened).ok());
  EXPECT_EQ(opened, message);
}

TEST(SivTest, Rfc5297DeterministicExample) {  // appendix A.1
  const Bytes key = hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const Bytes aad = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
  const std::array<ByteView, 1> parts{aad};
  const Bytes sealed = siv::seal(key, parts, hex("112233445566778899aabbccddee"));
  EXPECT_EQ(hex_of(sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
  EXPECT_EQ(hex_of(*siv::open(key, parts, sealed)), "112233445566778899aabbccddee");
}

TEST(SivTest, Rfc5297NonceExample) {  // appendix A.2
  const Bytes key = hex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f");
  const Bytes first = hex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100");
  const Bytes second = hex("102030405060708090a0"), nonce = hex("09f911029d74e35bd84156c5635688c0");
  const std::array<ByteView, 3> parts{first, second, nonce};
  const Bytes sealed = siv::seal(key, parts, as_bytes("this is some plaintext to encrypt using SIV-AES"));
  EXPECT_EQ(hex_of(sealed),
            "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17"
            "dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d");
}

TEST(SivTest, KnownAnswersWithTheProductsKeySize) {
  for (const auto& vector : vectors::kSiv) {
    SCOPED_TRACE(vector.sealed);
    const auto opened = siv_open(hex(vector.key), {hex(vector.aad)}, hex(vector.sealed));
    ASSERT_EQ(opened.ok(), vector.valid);
    if (!vector.valid) continue;
    EXPECT_EQ(hex_of(*opened), vector.message);
    EXPECT_EQ(hex_of(siv_seal(hex(vector.key), {hex(vector.aad)}, hex(vector.message))), vector.sealed);
  }
}

// OpenSSL's own AES-256-SIV, which the room does not use for its cost per key.
Bytes library_siv(ByteView key, const std::vector<Bytes>& aad, ByteView message) {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Bytes out(16 + message.size());
  int size = 0;
  EXPECT_EQ(EVP_EncryptInit_ex2(context, cipher, key.data(), nullptr, nullptr), 1);
  for (const Bytes& part : aad)
    EXPECT_EQ(EVP_EncryptUpdate(context, nullptr, &size, part.data(), static_cast<int>(part.size())), 1);
  EXPECT_EQ(EVP_EncryptUpdate(context, out.data() + 16, &size, message.data(), static_cast<int>(message.size())), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.data()), 1);
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  return out;
}

TEST(SivTest, AgreesWithTheLibraryOnEveryLengthToFiveBlocks) {
  RepeatableRandom random;
  Bytes key(64), message(80), first(20), second(33);
  for (Bytes* bytes : {&key, &message, &first, &second}) random.fill(*bytes);
  for (std::size_t size = 1; size <= message.size(); ++size) {
    const ByteView part = ByteView(message).first(size);
    ASSERT_EQ(hex_of(siv_seal(key, {first, second}, part)), hex_of(library_siv(key, {first, second}, part)));
    ASSERT_EQ(hex_of(*siv_open(key, {first, second}, siv_seal(key, {first, second}, part))), hex_of(part));
  }
}

TEST(SivTest, EveryFlippedBitIsCorrupt) {
  const Bytes key(64, 5);
  const Bytes sealed = siv_seal(key, {as_bytes("aad")}, as_bytes("message"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes damaged = sealed;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto opened = siv_open(key, {as_bytes("aad")}, damaged);
    ASSERT_FALSE(opened.ok());
    ASSERT_EQ(opened.error().code(), Code::kCorrupt);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(siv_open(key, {as_bytes("aad")}, ByteView(sealed).first(size)).ok());
  EXPECT_FALSE(siv_open(Bytes(32, 5), {as_bytes("aad")}, sealed).ok());
}

TEST(SivTest, PartsAreNotJoined) {
  const Bytes key(64, 5);
  const Bytes sealed = siv_seal(key, {as_bytes("ab"), as_bytes("c")}, as_bytes("message"));
  EXPECT_TRUE(siv_open(key, {as_bytes("ab"), as_bytes("c")}, sealed).ok());
  EXPECT_FALSE(siv_open(key, {as_bytes("a"), as_bytes("bc")}, sealed).ok());
  EXPECT_FALSE(siv_open(key, {as_bytes("c"), as_bytes("ab")}, sealed).ok());
  EXPECT_FALSE(siv_open(key, {as_bytes("abc")}, sealed).ok());
  EXPECT_FALSE(siv_open(key, {as_bytes("ab"), as_bytes("c"), ByteView{}}, sealed).ok());
}

}  // namespace
}  // namespace skymoor::crypto
