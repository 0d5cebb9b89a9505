// X25519 key agreement, for HPKE. Private to this room.
#pragma once
#include <optional>

#include "shared/crypto/signature.h"

namespace skymoor::crypto {

/// The shared point's x coordinate; nothing when it is zero (a peer's key of low order). Source: RFC 7748, section 6.1.
std::optional<SecretBytes> x25519(ByteView seed32, const PublicKey& peer);

}  // namespace skymoor::crypto
