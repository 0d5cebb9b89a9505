// 3DH: what both sides of a login compute once they hold the transcript and three shared points. Private to the crypto
// room. Source: RFC 9807, section 6.4.
#pragma once
#include "shared/crypto/opaque/envelope.h"

namespace skymoor::crypto::opaque {

inline constexpr std::size_t kCredentialResponseBytes = kPointBytes + kNonceBytes + kMaskedBytes;  // 162

/// Everything that was said before the server's MAC.
struct Transcript {
  ByteView context;
  ByteView client_identity;
  ByteView ke1;
  ByteView server_identity;
  ByteView credential_response;
  ByteView server_nonce;
  ByteView server_keyshare;
};

struct Agreement {
  SecretBytes session_key;
  Hash256 server_mac, client_mac;
};
Agreement agree(const Transcript& transcript, const Point& first, const Point& second, const Point& third);

}  // namespace skymoor::crypto::opaque
