#include "shared/crypto/p256/hash_to_curve.h"

#include "tests/unit/shared_crypto/inputs.h"
#include "tests/unit/shared_crypto/p256/rfc9380_vectors.h"

namespace skymoor::crypto::opaque {
namespace {

TEST(HashToCurveTest, Rfc9380) {
  for (const auto& vector : vectors::kHashToCurve) {
    SCOPED_TRACE(vector.x);
    const Point point =
        hash_to_curve(as_bytes(vector.message), as_bytes("QUUX-V01-CS02-with-P256_XMD:SHA-256_SSWU_RO_"));
    const bool odd = hex(vector.y).back() & 1;
    EXPECT_EQ(hex_of(point.encode()), (odd ? "03" : "02") + std::string(vector.x));
  }
}

TEST(ExpandMessageTest, Rfc9380) {
  for (const auto& vector : vectors::kExpandMessage) {
    SCOPED_TRACE(vector.uniform);
    EXPECT_EQ(hex_of(expand_message_xmd(as_bytes(vector.message), as_bytes("QUUX-V01-CS02-with-expander-SHA256-128"),
                                        static_cast<std::size_t>(vector.size))),
              vector.uniform);
  }
}

TEST(HashToCurveTest, AnotherDomainIsAnotherPoint) {
  EXPECT_NE(hash_to_curve(as_bytes("m"), as_bytes("one")).encode(),
            hash_to_curve(as_bytes("m"), as_bytes("two")).encode());
}

}  // namespace
}  // namespace skymoor::crypto::opaque
