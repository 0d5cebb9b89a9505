#include "shared/crypto/p256/p256_group.h"

#include <openssl/err.h>

#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto::opaque {
namespace {

constexpr std::string_view kGenerator = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
constexpr std::string_view kOrder = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr std::string_view kPrime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

Scalar small(std::uint8_t value) {
  Bytes bytes(32);
  bytes[31] = value;
  return *Scalar::decode(bytes);
}

TEST(PointTest, DecodesAndEncodesTheGenerator) {
  const auto point = Point::decode(hex(kGenerator));
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(hex_of(point->encode()), kGenerator);
  EXPECT_EQ(hex_of(Point::base_times(small(1)).encode()), kGenerator);
}

TEST(PointTest, Arithmetic) {
  const Point generator = *Point::decode(hex(kGenerator));
  const Point three = generator.plus(generator).plus(generator);
  EXPECT_EQ(three.encode(), Point::base_times(small(3)).encode());
  EXPECT_EQ(three.encode(), generator.times(small(3)).encode());
  // 2G, from the NIST routines' examples
  EXPECT_EQ(hex_of(generator.plus(generator).encode()),
            "037cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978");
}

TEST(PointTest, RefusesWhatIsNoPoint) {
  const std::string x_of_generator(kGenerator.substr(2));
  const std::string malformed[] = {
      "",                                                                      // nothing
      "00",                                                                    // infinity, in its one-byte form
      "00" + std::string(64, '0'),                                             // infinity, padded
      "02" + std::string(64, '0').substr(0, 62),                               // one byte short
      "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c29600",  // one byte long
      "04" + x_of_generator,                                                   // uncompressed mark
      "05" + x_of_generator, "06" + x_of_generator, "07" + x_of_generator,
      // x for which x^3 - 3x + b is no square
      "020000000000000000000000000000000000000000000000000000000000000001",
      "02" + std::string(kPrime),                                            // x = p
      "03ffffffff00000001000000000000000000000001000000000000000000000004",  // x = p + 5
      "02" + std::string(64, 'f'),
      // the generator, uncompressed
      "04" + x_of_generator + "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"};
  ERR_clear_error();
  for (const std::string& text : malformed) {
    const auto point = Point::decode(hex(text));
    ASSERT_FALSE(point.ok()) << text;
    EXPECT_EQ(point.error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
  // x = 5 is on the curve: so the case of x = p + 5 was refused for its size.
  EXPECT_TRUE(Point::decode(hex("030000000000000000000000000000000000000000000000000000000000000005")).ok());
}

TEST(ScalarTest, RefusesZeroAndTheOrder) {
  EXPECT_FALSE(Scalar::decode(Bytes(32)).ok());
  EXPECT_FALSE(Scalar::decode(hex(kOrder)).ok());
  EXPECT_FALSE(Scalar::decode(Bytes(32, 0xff)).ok());
  EXPECT_FALSE(Scalar::decode(Bytes(31, 1)).ok());
  EXPECT_FALSE(Scalar::decode(Bytes(33, 1)).ok());
  EXPECT_TRUE(Scalar::decode(hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550")).ok());
}

TEST(ScalarTest, ReducesWideNumbers) {
  EXPECT_TRUE(Scalar::reduce(hex(kOrder)).is_zero());
  EXPECT_TRUE(Scalar::reduce(hex(std::string(kOrder) + std::string(64, '0'))).is_zero());
  EXPECT_EQ(hex_of(Scalar::reduce(hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632558")).bytes()),
            std::string(62, '0') + "07");
}

TEST(ScalarTest, InverseUndoesMultiplication) {
  RepeatableRandom random;
  const Point generator = *Point::decode(hex(kGenerator));
  for (int i = 0; i < 5; ++i) {
    const Scalar scalar = Scalar::random(random);
    EXPECT_EQ(hex_of(generator.times(scalar).times(scalar.inverse()).encode()), kGenerator);
  }
}

TEST(ScalarTest, RandomIsNeverZero) {
  // 48 zero bytes first: they must be drawn again.
  Bytes bytes(48);
  bytes.insert(bytes.end(), 48, 0x01);
  FixedRandom random(bytes);
  EXPECT_FALSE(Scalar::random(random).is_zero());
}

}  // namespace
}  // namespace skymoor::crypto::opaque
