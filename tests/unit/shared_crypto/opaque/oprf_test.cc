#include "shared/crypto/opaque/oprf.h"

#include <set>

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto::opaque {
namespace {

// RFC 9497, appendix A.3.1: P256-SHA256, mode OPRF.
constexpr std::string_view kKey = "159749d750713afe245d2d39ccfaae8381c53ce92d098a9375ee70739c7ac0bf";
constexpr std::string_view kBlind = "3338fa65ec36e0290022b48eb562889d89dbfa691d1cde91517fa222ed7ad364";
struct Vector {
  const char *input, *blinded, *evaluated, *output;
};
constexpr Vector kVectors[] = {
    {"00", "03723a1e5c09b8b9c18d1dcbca29e8007e95f14f4732d9346d490ffc195110368d",
     "030de02ffec47a1fd53efcdd1c6faf5bdc270912b8749e783c7ca75bb412958832",
     "a0b34de5fa4c5b6da07e72af73cc507cceeb48981b97b7285fc375345fe495dd"},
    {"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", "03cc1df781f1c2240a64d1c297b3f3d16262ef5d4cf102734882675c26231b0838",
     "03a0395fe3828f2476ffcd1f4fe540e5a8489322d398be3c4e5a869db7fcb7c52c",
     "c748ca6dd327f0ce85f4ae3a8cd6d4d5390bbb804c9e12dcf94f853fece3dcce"},
};

TEST(OprfTest, Rfc9497DerivesTheKey) {
  EXPECT_EQ(hex_of(oprf_derive_key_pair(Bytes(32, 0xa3), as_bytes("test key")).private_key.bytes()), kKey);
}

TEST(OprfTest, Rfc9497) {
  const Scalar key = *Scalar::decode(hex(kKey)), blind = *Scalar::decode(hex(kBlind));
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(vector.input);
    EXPECT_EQ(hex_of(*oprf_blind(hex(vector.input), blind)), vector.blinded);
    EXPECT_EQ(hex_of(*oprf_evaluate(key, hex(vector.blinded))), vector.evaluated);
    EXPECT_EQ(hex_of(*oprf_finalize(hex(vector.input), blind, hex(vector.evaluated))), vector.output);
  }
}

TEST(OprfTest, TheOutputDoesNotDependOnTheBlind) {
  RepeatableRandom random;
  const Scalar key = Scalar::random(random);
  std::set<std::string> outputs, requests;
  for (int i = 0; i < 3; ++i) {
    const Scalar blind = Scalar::random(random);
    const Bytes request = *oprf_blind(as_bytes("password"), blind);
    requests.insert(hex_of(request));
    outputs.insert(hex_of(*oprf_finalize(as_bytes("password"), blind, *oprf_evaluate(key, request))));
  }
  EXPECT_EQ(outputs.size(), 1u);
  EXPECT_EQ(requests.size(), 3u);
}

TEST(OprfTest, RefusesWhatIsNoPoint) {
  const Scalar key = *Scalar::decode(hex(kKey));
  for (const Bytes& element : {Bytes{}, Bytes(33), Bytes(33, 0xff), Bytes(1)}) {
    EXPECT_EQ(oprf_evaluate(key, element).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(oprf_finalize(as_bytes("x"), key, element).error().code(), Code::kInvalidArgument);
  }
}

TEST(OprfTest, RefusesInputsTooLongForTheirLengthField) {
  const Scalar blind = *Scalar::decode(hex(kBlind));
  EXPECT_TRUE(oprf_blind(Bytes(65535), blind).ok());
  EXPECT_EQ(oprf_blind(Bytes(65536), blind).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace skymoor::crypto::opaque
