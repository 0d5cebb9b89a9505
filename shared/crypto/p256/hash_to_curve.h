// Hashing to P-256: suite P256_XMD:SHA-256_SSWU_RO_. Private to the crypto room. Source: RFC 9380.
#pragma once
#include "shared/crypto/p256/p256_group.h"

namespace skymoor::crypto::opaque {

/// expand_message_xmd with SHA-256: `size` <= 8160, `dst` of 1 to 255 bytes. Source: RFC 9380, section 5.3.1.
SecretBytes expand_message_xmd(ByteView message, ByteView dst, std::size_t size);

/// A point whose discrete logarithm nobody knows. Source: RFC 9380, section 3.
Point hash_to_curve(ByteView message, ByteView dst);

/// HashToScalar of the OPRF suite P256-SHA256. Source: RFC 9497, section 4.3.
Scalar hash_to_scalar(ByteView message, ByteView dst);

}  // namespace skymoor::crypto::opaque
