#include "shared/crypto/opaque/oprf.h"

#include <string_view>

#include "shared/crypto/hash.h"
#include "shared/crypto/p256/hash_to_curve.h"
#include "shared/crypto/primitives/concat.h"
#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto::opaque {

namespace {

using namespace std::string_view_literals;

// CreateContextString(modeOPRF = 0, "P256-SHA256"), appended to each label. Source: RFC 9497, section 3.1.
constexpr std::string_view kHashToGroup = "HashToGroup-OPRFV1-\0-P256-SHA256"sv;
constexpr std::string_view kDeriveKeyPair = "DeriveKeyPairOPRFV1-\0-P256-SHA256"sv;

Status check_length(ByteView input) {
  if (input.size() > kMaxOprfInputBytes) return Error(Code::kInvalidArgument, "OPRF input too long");
  return {};
}

}  // namespace

Result<Bytes> oprf_blind(ByteView input, const Scalar& blind) {
  TRY(check_length(input));
  const Point point = hash_to_curve(input, as_bytes(kHashToGroup));
  // Happens to one input in 2^256; the RFC names it, so it has an answer.
  if (point.is_infinity()) return Error(Code::kInvalidArgument, "OPRF input maps to infinity");
  return point.times(blind).encode();
}

Result<Bytes> oprf_evaluate(const Scalar& key, ByteView blinded) {
  const Point point = TRY(Point::decode(blinded));
  return point.times(key).encode();
}

Result<SecretBytes> oprf_finalize(ByteView input, const Scalar& blind, ByteView evaluated) {
  TRY(check_length(input));
  const Point point = TRY(Point::decode(evaluated));
  const SecretBytes unblinded = SecretBytes::adopt(point.times(blind.inverse()).encode());
  const Hash256 output = sha256(
      {big_endian_16(input.size()), input, big_endian_16(unblinded.size()), unblinded.view(), as_bytes("Finalize")});
  return SecretBytes(output.view());
}

GroupKeyPair oprf_derive_key_pair(ByteView seed, ByteView info) {
  for (std::uint8_t counter = 0;; ++counter) {
    const SecretBytes input = concat_secret({seed, big_endian_16(info.size()), info, {&counter, 1}});
    Scalar key = hash_to_scalar(input.view(), as_bytes(kDeriveKeyPair));
    if (!key.is_zero()) {
      Bytes public_key = Point::base_times(key).encode();
      return {std::move(key), std::move(public_key)};
    }
    ossl::must(counter < 255, "OPRF key derivation");
  }
}

}  // namespace skymoor::crypto::opaque
