#include "shared/crypto/hash.h"

#include <random>
#include <thread>

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto {
namespace {

TEST(Sha256Test, KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256(ByteView{}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(as_bytes("abc")).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256Test, PartsAreOneMessage) {
  EXPECT_EQ(sha256({as_bytes("a"), ByteView{}, as_bytes("bc")}), sha256(as_bytes("abc")));
}

TEST(Sha256Test, StreamEqualsOneShotAndStartsAnew) {
  Sha256 stream;
  for (int i = 0; i < 1000; ++i) stream.update(as_bytes("0123456789"));
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "0123456789";
  EXPECT_EQ(stream.finish(), sha256(as_bytes(text)));
  stream.update(as_bytes("abc"));
  EXPECT_EQ(stream.finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(stream.finish(), sha256(ByteView{}));
}

TEST(Sha256Test, EachOfSeveralIsTheDigestOfItsOwn) {
  // Every length around the block's ends, prefixes, more and fewer messages than there are lanes, unequal neighbours.
  std::mt19937 random(7);
  Bytes data(5000), prefix(64);
  for (std::uint8_t& b : data) b = static_cast<std::uint8_t>(random());
  for (std::uint8_t& b : prefix) b = static_cast<std::uint8_t>(random());
  EXPECT_TRUE(sha256_each({}).empty());
  for (int round = 0; round < 2000; ++round) {
    std::vector<HashedMessage> messages(1 + random() % 5);
    for (HashedMessage& m : messages) {
      m.prefix = ByteView(prefix).first(random() % 3 == 0 ? random() % 65 : random() % 2 * 2);
      m.body = ByteView(data).subspan(random() % 30, random() % 4 == 0 ? random() % 4900 : random() % 200);
    }
    const auto digests = sha256_each(messages);
    ASSERT_EQ(digests.size(), messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i)
      ASSERT_EQ(digests[i], sha256({messages[i].prefix, messages[i].body}))
          << round << ": " << messages[i].prefix.size() << " + " << messages[i].body.size();
  }
}

TEST(Sha256Test, ThreadsDoNotShareState) {
  const Bytes data(100'000, 7);
  const Hash256 expected = sha256(data);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        if (sha256(data) != expected) ++wrong;
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(HmacTest, Rfc4231) {
  EXPECT_EQ(hmac_sha256(Bytes(20, 0x0b), {as_bytes("Hi There")}).hex(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")}).hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(Bytes(20, 0xaa), {Bytes(50, 0xdd)}).hex(),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hmac_sha256(Bytes(131, 0xaa), {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}).hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, EmptyKeyIsNotTheKeyOfTheCallBefore) {
  const Hash256 empty = hmac_sha256({}, {as_bytes("m")});
  (void)hmac_sha256(as_bytes("some key"), {as_bytes("m")});
  EXPECT_EQ(hmac_sha256({}, {as_bytes("m")}), empty);
  EXPECT_EQ(hmac_sha256({}, {}).hex(), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(HkdfTest, Rfc5869) {
  SecretBytes prk = hkdf_extract(hex("000102030405060708090a0b0c"), Bytes(22, 0x0b));
  EXPECT_EQ(hex_of(prk), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(hex_of(hkdf_expand(prk.view(), hex("f0f1f2f3f4f5f6f7f8f9"), 42)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

  Bytes key, salt, info;  // A.2: longer inputs and outputs
  for (int i = 0; i < 80; ++i) {
    key.push_back(static_cast<std::uint8_t>(i));
    salt.push_back(static_cast<std::uint8_t>(0x60 + i));
    info.push_back(static_cast<std::uint8_t>(0xb0 + i));
  }
  EXPECT_EQ(hex_of(hkdf_expand(hkdf_extract(salt, key).view(), info, 82)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");

  prk = hkdf_extract({}, Bytes(22, 0x0b));  // A.3: no salt, no info
  EXPECT_EQ(hex_of(hkdf_expand(prk.view(), {}, 42)),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(HkdfTest, AnyLengthIsAPrefixOfALongerOne) {
  const SecretBytes longest = hkdf_expand(as_bytes("key"), as_bytes("info"), 8160);
  for (std::size_t size : {0, 1, 31, 32, 33, 8159})
    EXPECT_EQ(hex_of(hkdf_expand(as_bytes("key"), as_bytes("info"), size)), hex_of(longest.view().first(size)));
}

TEST(ConstantTimeEqualTest, ComparesLengthAndBytes) {
  EXPECT_TRUE(constant_time_equal(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("ab")));
  EXPECT_TRUE(constant_time_equal({}, {}));
}

}  // namespace
}  // namespace skymoor::crypto
