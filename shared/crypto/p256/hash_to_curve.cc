#include "shared/crypto/p256/hash_to_curve.h"

#include <algorithm>
#include <array>

#include "shared/crypto/hash.h"
#include "shared/crypto/p256/p256_curve.h"
#include "shared/crypto/primitives/concat.h"

namespace skymoor::crypto::opaque {

SecretBytes expand_message_xmd(ByteView message, ByteView dst, std::size_t size) {
  ossl::must(!dst.empty() && dst.size() <= 255 && size <= 255 * Hash256::kSize, "expand_message_xmd sizes");
  static constexpr std::array<std::uint8_t, 64> kBlockOfZeros{};
  const std::uint8_t dst_size = static_cast<std::uint8_t>(dst.size());
  const ByteView dst_length(&dst_size, 1);
  std::uint8_t counter = 0;
  const ByteView counted(&counter, 1);
  const Hash256 first = sha256({kBlockOfZeros, message, big_endian_16(size), counted, dst, dst_length});
  SecretBytes out(size);
  Hash256 mixed = first;
  for (std::size_t done = 0; done < size; done += Hash256::kSize) {
    ++counter;
    const Hash256 block = sha256({mixed.view(), counted, dst, dst_length});
    std::copy_n(block.value.begin(), std::min(size - done, Hash256::kSize),
                out.mutable_view().begin() + static_cast<std::ptrdiff_t>(done));
    for (std::size_t i = 0; i < mixed.value.size(); ++i) mixed.value[i] = first.value[i] ^ block.value[i];
  }
  return out;
}

namespace {

constexpr std::size_t kFieldHashBytes = 48;  // L of RFC 9380, section 5.1, for P-256

// Arithmetic modulo p. Values are public or a hash of the password: exponentiations run in constant time, the rest as
// BIGNUM does, which leaks through timing on the client's own machine only.
class Field {
 public:
  Field() : curve_(p256_curve()) {}

  ossl::Number reduce(ByteView wide) const {
    ossl::Number result = number_from(wide);
    ossl::must(BN_nnmod(result.get(), result.get(), curve_.p.get(), curve_.scratch.get()) == 1, "field reduction");
    return result;
  }
  ossl::Number plus(const ossl::Number& x, const ossl::Number& y) const {
    ossl::Number result = new_number();
    ossl::must(BN_mod_add(result.get(), x.get(), y.get(), curve_.p.get(), curve_.scratch.get()) == 1, "field sum");
    return result;
  }
  ossl::Number times(const ossl::Number& x, const ossl::Number& y) const {
    ossl::Number result = new_number();
    ossl::must(BN_mod_mul(result.get(), x.get(), y.get(), curve_.p.get(), curve_.scratch.get()) == 1, "field product");
    return result;
  }
  ossl::Number minus(const ossl::Number& x) const {
    ossl::Number result = new_number();
    ossl::must(BN_mod_sub(result.get(), result.get(), x.get(), curve_.p.get(), curve_.scratch.get()) == 1,
               "field negation");
    return result;
  }
  ossl::Number word(unsigned long value) const {
    ossl::Number result = new_number();
    ossl::must(BN_set_word(result.get(), value) == 1, "field constant");
    return result;
  }
  /// x^(p-2): the inverse, and zero for zero (inv0 of RFC 9380, section 4).
  ossl::Number inverse(const ossl::Number& x) const {
    ossl::Number exponent = copy(curve_.p);
    ossl::must(BN_sub_word(exponent.get(), 2) == 1, "field exponent");
    return power(x, exponent);
  }
  /// x^((p+1)/4): a square root if x is a square, p being 3 modulo 4.
  ossl::Number root(const ossl::Number& x) const {
    ossl::Number exponent = copy(curve_.p);
    ossl::must(BN_add_word(exponent.get(), 1) == 1 && BN_rshift(exponent.get(), exponent.get(), 2) == 1,
               "field exponent");
    return power(x, exponent);
  }
  ossl::Number curve_right_side(const ossl::Number& x) const {  // x^3 + a x + b
    return plus(times(plus(times(x, x), curve_.a), x), curve_.b);
  }
  const ossl::Number& a() const { return curve_.a; }
  const ossl::Number& b() const { return curve_.b; }

 private:
  ossl::Number copy(const ossl::Number& x) const {
    ossl::Number result = new_number();
    ossl::must(BN_copy(result.get(), x.get()) != nullptr, "field copy");
    return result;
  }
  ossl::Number power(const ossl::Number& x, const ossl::Number& exponent) const {
    ossl::Number result = new_number();
    ossl::must(BN_mod_exp_mont_consttime(result.get(), x.get(), exponent.get(), curve_.p.get(), curve_.scratch.get(),
                                         nullptr) == 1,
               "field power");
    return result;
  }
  P256Curve& curve_;
};

}  // namespace

/// Simplified Shallue-van de Woestijne-Ulas map with Z = -10. Source: RFC 9380, sections 6.6.2 and 8.2.
class CurveMap {
 public:
  static Point map(ByteView wide) {
    const Field field;
    const ossl::Number u = field.reduce(wide);
    const ossl::Number z = field.minus(field.word(10));
    const ossl::Number z_u2 = field.times(z, field.times(u, u));
    const ossl::Number denominator = field.plus(field.times(z_u2, z_u2), z_u2);
    // x1 = (-b / a) (1 + 1 / denominator), and b / (z a) in the one case where the denominator is zero.
    const ossl::Number minus_b_over_a = field.times(field.minus(field.b()), field.inverse(field.a()));
    const ossl::Number regular = field.times(minus_b_over_a, field.plus(field.word(1), field.inverse(denominator)));
    const ossl::Number exceptional = field.times(field.b(), field.inverse(field.times(z, field.a())));
    const ossl::Number& x1 = BN_is_zero(denominator.get()) ? exceptional : regular;
    const ossl::Number x2 = field.times(z_u2, x1);
    // Both candidates are always worked out: the time must not tell which of them it is.
    const ossl::Number square = field.curve_right_side(x1);
    const ossl::Number y1 = field.root(square);
    const ossl::Number y2 = field.root(field.curve_right_side(x2));
    const bool first = BN_cmp(field.times(y1, y1).get(), square.get()) == 0;
    const ossl::Number& x = first ? x1 : x2;
    const ossl::Number& y = first ? y1 : y2;
    const ossl::Number minus_y = field.minus(y);
    return point_at(x, BN_is_odd(u.get()) == BN_is_odd(y.get()) ? y : minus_y);
  }

 private:
  static Point point_at(const ossl::Number& x, const ossl::Number& y) {
    P256Curve& curve = p256_curve();
    Point point;
    ossl::must(EC_POINT_set_affine_coordinates(curve.group.get(), point.point_.get(), x.get(), y.get(),
                                               curve.scratch.get()) == 1,
               "point of a hash");
    return point;
  }
};

Point hash_to_curve(ByteView message, ByteView dst) {
  const SecretBytes uniform = expand_message_xmd(message, dst, 2 * kFieldHashBytes);
  return CurveMap::map(uniform.view().first(kFieldHashBytes)).plus(CurveMap::map(uniform.view().last(kFieldHashBytes)));
}

Scalar hash_to_scalar(ByteView message, ByteView dst) {
  return Scalar::reduce(expand_message_xmd(message, dst, kFieldHashBytes).view());
}

}  // namespace skymoor::crypto::opaque
