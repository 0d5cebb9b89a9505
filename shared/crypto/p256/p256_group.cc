#include "shared/crypto/p256/p256_group.h"

#include <openssl/obj_mac.h>

#include "shared/crypto/p256/p256_curve.h"

namespace skymoor::crypto::opaque {

P256Curve::P256Curve()
    : group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)),
      scratch(BN_CTX_secure_new()),
      p(new_number()),
      a(new_number()),
      b(new_number()),
      order(new_number()) {
  ossl::must(group && scratch && EC_GROUP_get_curve(group.get(), p.get(), a.get(), b.get(), scratch.get()) == 1 &&
                 EC_GROUP_get_order(group.get(), order.get(), scratch.get()) == 1,
             "P-256");
}

P256Curve& p256_curve() {
  thread_local P256Curve curve;
  return curve;
}

ossl::Number new_number() {
  ossl::Number number(BN_new());
  ossl::must(number != nullptr, "new number");
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

ossl::Number number_from(ByteView big_endian) {
  ossl::Number number = new_number();
  ossl::must(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), number.get()) != nullptr, "number");
  return number;
}

namespace {
SecretBytes bytes_of(const ossl::Number& number) {
  SecretBytes bytes(kScalarBytes);
  ossl::must(BN_bn2binpad(number.get(), bytes.mutable_view().data(), kScalarBytes) == kScalarBytes, "scalar bytes");
  return bytes;
}
}  // namespace

Scalar Scalar::random(Random& random) {
  // 128 bits more than the order has, so that the reduction leaves no bias worth the name.
  SecretBytes wide(kScalarBytes + 16);
  for (;;) {
    random.fill(wide.mutable_view());
    Scalar scalar = reduce(wide.view());
    if (!scalar.is_zero()) return scalar;
  }
}

Scalar Scalar::reduce(ByteView wide) {
  P256Curve& curve = p256_curve();
  const ossl::Number number = number_from(wide), rest = new_number();
  ossl::must(BN_mod(rest.get(), number.get(), curve.order.get(), curve.scratch.get()) == 1, "scalar reduction");
  return Scalar(bytes_of(rest));
}

Result<Scalar> Scalar::decode(ByteView bytes) {
  if (bytes.size() != kScalarBytes) return Error(Code::kInvalidArgument, "scalar of wrong length");
  const ossl::Number number = number_from(bytes);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), p256_curve().order.get()) >= 0)
    return Error(Code::kInvalidArgument, "scalar out of range");
  return Scalar(SecretBytes(bytes));
}

Scalar Scalar::inverse() const {
  P256Curve& curve = p256_curve();
  const ossl::Number number = number_from(bytes()), exponent = new_number(), result = new_number();
  // By Fermat's theorem, in constant time: x^(n-2).
  const bool ok = BN_copy(exponent.get(), curve.order.get()) && BN_sub_word(exponent.get(), 2) == 1 &&
                  BN_mod_exp_mont_consttime(result.get(), number.get(), exponent.get(), curve.order.get(),
                                            curve.scratch.get(), nullptr) == 1;
  ossl::must(ok && !BN_is_zero(result.get()), "scalar inverse");
  return Scalar(bytes_of(result));
}

bool Scalar::is_zero() const {
  std::uint8_t any = 0;
  for (std::uint8_t byte : bytes()) any |= byte;
  return any == 0;
}

void Point::Free::operator()(ec_point_st* point) const { EC_POINT_clear_free(point); }

Point::Point() : point_(EC_POINT_new(p256_curve().group.get())) { ossl::must(point_ != nullptr, "new point"); }

Result<Point> Point::decode(ByteView bytes) {
  const Error malformed(Code::kInvalidArgument, "not a point of the curve");
  if (bytes.size() != kPointBytes || (bytes[0] != 2 && bytes[0] != 3)) return malformed;
  P256Curve& curve = p256_curve();
  ossl::ErrorScope errors;
  Point point;
  if (EC_POINT_oct2point(curve.group.get(), point.point_.get(), bytes.data(), bytes.size(), curve.scratch.get()) != 1 ||
      point.is_infinity())
    return malformed;
  return point;
}

Point Point::base_times(const Scalar& scalar) {
  P256Curve& curve = p256_curve();
  const ossl::Number number = number_from(scalar.bytes());
  Point result;
  ossl::must(
      EC_POINT_mul(curve.group.get(), result.point_.get(), number.get(), nullptr, nullptr, curve.scratch.get()) == 1,
      "base point multiplication");
  return result;
}

Point Point::times(const Scalar& scalar) const {
  P256Curve& curve = p256_curve();
  const ossl::Number number = number_from(scalar.bytes());
  Point result;
  ossl::must(EC_POINT_mul(curve.group.get(), result.point_.get(), nullptr, point_.get(), number.get(),
                          curve.scratch.get()) == 1,
             "point multiplication");
  return result;
}

Point Point::plus(const Point& other) const {
  P256Curve& curve = p256_curve();
  Point result;
  ossl::must(
      EC_POINT_add(curve.group.get(), result.point_.get(), point_.get(), other.point_.get(), curve.scratch.get()) == 1,
      "point addition");
  return result;
}

bool Point::is_infinity() const { return EC_POINT_is_at_infinity(p256_curve().group.get(), point_.get()) == 1; }

Bytes Point::encode() const {
  P256Curve& curve = p256_curve();
  Bytes bytes(kPointBytes);
  ossl::must(EC_POINT_point2oct(curve.group.get(), point_.get(), POINT_CONVERSION_COMPRESSED, bytes.data(),
                                bytes.size(), curve.scratch.get()) == kPointBytes,
             "point encoding");
  return bytes;
}

}  // namespace skymoor::crypto::opaque
