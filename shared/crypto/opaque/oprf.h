// The oblivious pseudorandom function, mode OPRF of suite P256-SHA256. Private to the crypto room. Source: RFC 9497.
#pragma once
#include "shared/crypto/p256/p256_group.h"

namespace skymoor::crypto::opaque {

inline constexpr std::size_t kMaxOprfInputBytes = 65535;

/// Client: the input's point times the blind. Errors: InvalidArgument (input too long).
Result<Bytes> oprf_blind(ByteView input, const Scalar& blind);

/// Server: the blinded element times the key. Errors: InvalidArgument (not a point).
Result<Bytes> oprf_evaluate(const Scalar& key, ByteView blinded);

/// Client: removes the blind and hashes. Errors: InvalidArgument (not a point, input too long).
Result<SecretBytes> oprf_finalize(ByteView input, const Scalar& blind, ByteView evaluated);

struct GroupKeyPair {
  Scalar private_key;
  Bytes public_key;
};
/// DeriveKeyPair. Source: RFC 9497, section 3.2.1.
GroupKeyPair oprf_derive_key_pair(ByteView seed, ByteView info);

}  // namespace skymoor::crypto::opaque
