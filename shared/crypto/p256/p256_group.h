// NIST P-256 as a prime-order group: scalars modulo its order and points on it. Private to the crypto room.
#pragma once
#include <memory>

#include "shared/base/clock.h"
#include "shared/crypto/secret.h"

struct ec_point_st;

namespace skymoor::crypto::opaque {

inline constexpr std::size_t kScalarBytes = 32;
inline constexpr std::size_t kPointBytes = 33;

/// A number modulo the group's order, big-endian, wiped when it goes. Immutable.
class Scalar {
 public:
  /// Uniform and not zero.
  static Scalar random(Random& random);
  /// `wide` (big-endian, any length) modulo the order. May be zero.
  static Scalar reduce(ByteView wide);
  /// Errors: InvalidArgument unless 32 bytes that stand for 1 to order - 1.
  static Result<Scalar> decode(ByteView bytes);
  Scalar clone() const { return Scalar(bytes_.clone()); }
  Scalar inverse() const;  ///< of a scalar that is not zero
  bool is_zero() const;
  ByteView bytes() const { return bytes_.view(); }

 private:
  explicit Scalar(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  SecretBytes bytes_;
};

/// A point on the curve. Owns its representation; not thread-safe.
class Point {
 public:
  /// Errors: InvalidArgument unless 33 bytes, compressed, x < p, on the curve; infinity has no such form.
  static Result<Point> decode(ByteView bytes);
  static Point base_times(const Scalar& scalar);
  Point times(const Scalar& scalar) const;
  Point plus(const Point& other) const;
  bool is_infinity() const;
  Bytes encode() const;  ///< 33 bytes, compressed; must not be infinity

 private:
  friend class CurveMap;
  struct Free {
    void operator()(ec_point_st* point) const;
  };
  Point();
  std::unique_ptr<ec_point_st, Free> point_;
};

}  // namespace skymoor::crypto::opaque
