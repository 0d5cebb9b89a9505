// Authenticated encryption: AES-256-GCM for blocks, AES-256-SIV for names, manifests and key wraps.
#pragma once
#include <array>
#include <initializer_list>
#include <span>

#include "shared/crypto/secret.h"

namespace skymoor::crypto {

inline constexpr std::size_t kTagBytes = 16;

/// AES-256-GCM, 32-byte key, 12-byte nonce. Appends ciphertext and 16-byte tag to `out`. Source: NIST SP 800-38D.
void gcm_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plaintext, Bytes& out);
/// The same with the ciphertext taking the place of the plaintext; returns the tag.
std::array<std::uint8_t, kTagBytes> gcm_seal_in_place(ByteView key, ByteView nonce, ByteView aad,
                                                      std::span<std::uint8_t> text);
/// Errors: Corrupt when the tag does not match or the input is shorter than a tag; `out` is then left as it was.
Status gcm_open(ByteView key, ByteView nonce, ByteView aad, ByteView sealed, Bytes& out);

/// The same with the plaintext taking the place of the ciphertext, the first `sealed.size() - kTagBytes` bytes.
/// Errors: Corrupt; no byte of the plaintext stays then.
Status gcm_open_in_place(ByteView key, ByteView nonce, ByteView aad, std::span<std::uint8_t> sealed);
/// The same for sealed bytes that lie in several places: the plaintext takes the place of all but the last `kTagBytes` of them.
Status gcm_open_in_place(ByteView key, ByteView nonce, ByteView aad, std::span<const std::span<std::uint8_t>> sealed);

/// AES-256-SIV (64-byte key), deterministic; returns 16-byte synthetic IV, then ciphertext. Source: RFC 5297.
Bytes siv_seal(ByteView key, std::initializer_list<ByteView> aad, ByteView plaintext);
/// Errors: Corrupt.
Result<SecretBytes> siv_open(ByteView key, std::initializer_list<ByteView> aad, ByteView sealed);

}  // namespace skymoor::crypto
