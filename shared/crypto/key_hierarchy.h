// The keys of a user and of a volume, and how one wraps the other. Shapes and labels: KEYS.md in this room.
#pragma once
#include <optional>
#include <string>

#include "shared/base/ids.h"
#include "shared/crypto/secret.h"
#include "shared/crypto/signature.h"

namespace skymoor::crypto {

/// What a wrap is bound to; a wrap opened under other words fails.
struct WrapContext {
  std::string purpose;           ///< "puk.password", "puk.recovery", "puk.device", "volume", "puk.history"
  Bytes owner;                   ///< user or volume id
  std::uint32_t generation = 1;
  Bytes parent;                  ///< what wraps: credential id, device id, recovery id
};

/// AES-256-SIV under a key derived from `wrapping_key`. Errors of unwrap: Corrupt (wrong key or other words).
Bytes wrap_key(ByteView wrapping_key, const WrapContext& context, ByteView secret);
Result<SecretBytes> unwrap_key(ByteView wrapping_key, const WrapContext& context, ByteView wrapped);

/// Per-user key, generation g: a 32-byte seed from which the user's sealing and signing keys come.
struct UserKey {
  std::uint32_t generation = 1;
  SecretBytes seed;
  static UserKey generate(Random& random);
  KeyPair sealing_key() const;  ///< X25519: volume keys are sealed to it
  KeyPair signing_key() const;  ///< Ed25519
};

/// Volume key, epoch e, and what is derived from it.
struct VolumeKey {
  VolumeId volume;
  std::uint32_t epoch = 1;
  SecretBytes seed;  ///< 32 bytes
  static VolumeKey generate(VolumeId volume, Random& random);
  VolumeKey clone() const { return {volume, epoch, seed.clone()}; }
  SecretBytes block_key() const;     ///< K_conv, 32 bytes: convergent block keys
  SecretBytes metadata_key() const;  ///< K_meta, 64 bytes: manifests, symlink targets, xattrs
  SecretBytes name_key() const;      ///< K_name, 64 bytes
  SecretBytes token_key() const;     ///< K_token, 32 bytes
  SecretBytes chunker_key() const;   ///< K_cdc, 32 bytes: gear table
  SecretBytes commit_key() const;    ///< K_commit, 32 bytes: key proofs of commits
};

/// Seals a volume key for a member (HPKE to the member's sealing key), signed by the user who gives it: anybody can seal to a
/// public key, so that without this a server could give a key of its own. Empty when the member's key is of low order.
/// Errors of open: BadSignature (not by `giver`), Corrupt.
Bytes seal_volume_key(const VolumeKey& key, const PublicKey& member, const KeyPair& giver, Random& random);
Result<VolumeKey> open_volume_key(VolumeId volume, std::uint32_t epoch, const KeyPair& member, const PublicKey& giver,
                                  ByteView sealed);

/// Recovery code: 256 bits in base32 with a checksum, in groups of four, shown once.
struct RecoveryCode {
  SecretBytes secret;  ///< 32 bytes
  static RecoveryCode generate(Random& random);
  std::string text() const;
  KeyPair signing_key() const;  ///< Ed25519: signs the server's challenge when the password is forgotten
  /// Ignores case, spaces and dashes; reads O as 0, I and L as 1. Errors: InvalidArgument, which names the mistyped
  /// group where it can.
  static Result<RecoveryCode> parse(std::string_view text);
};

}  // namespace skymoor::crypto
