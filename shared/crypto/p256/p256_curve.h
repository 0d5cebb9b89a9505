// The curve's constants and this thread's scratch space, as OpenSSL has them. For p256_group.cc and hash_to_curve.cc.
#pragma once
#include <openssl/ec.h>

#include "shared/crypto/primitives/openssl_handles.h"

namespace skymoor::crypto::opaque {

/// One per thread: BN_CTX is not shared between threads.
struct P256Curve {
  std::unique_ptr<EC_GROUP, ossl::FreeWith<EC_GROUP_free>> group;
  std::unique_ptr<BN_CTX, ossl::FreeWith<BN_CTX_free>> scratch;
  ossl::Number p, a, b, order;
  P256Curve();
};
P256Curve& p256_curve();

/// A zero, wiped when it goes and worked on in constant time where OpenSSL can.
ossl::Number new_number();
ossl::Number number_from(ByteView big_endian);

}  // namespace skymoor::crypto::opaque
