// AES-SIV with either key size: the product uses 64-byte keys, RFC 5297's own examples have 32. Private to this room.
#pragma once
#include <span>

#include "shared/crypto/aead.h"

namespace skymoor::crypto::siv {

/// `key`: 32 bytes (AES-128) or 64 (AES-256), first half for the MAC. At most 126 parts of associated data.
Bytes seal(ByteView key, std::span<const ByteView> aad, ByteView plaintext);
Result<SecretBytes> open(ByteView key, std::span<const ByteView> aad, ByteView sealed);

}  // namespace skymoor::crypto::siv
