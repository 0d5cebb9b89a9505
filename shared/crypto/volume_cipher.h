// VolumeCipher: seals and opens the metadata of one volume (names, symlink targets, xattrs, manifests), proves its commits.
#pragma once
#include <string>
#include <string_view>

#include "shared/base/ids.h"
#include "shared/crypto/key_hierarchy.h"

namespace skymoor::crypto {

/// Immutable after construction, thread-safe. Every seal is AES-256-SIV, bound to volume, epoch, the object it belongs
/// to and its purpose: moved elsewhere it does not open. Errors of every open: Corrupt.
class VolumeCipher {
 public:
  explicit VolumeCipher(const VolumeKey& key);

  /// HMAC(K_token, directory | name): equal for equal names in one directory, and only there.
  NameToken name_token(InodeId directory, std::string_view name) const;
  /// Names are padded to a multiple of 32 bytes before sealing, and bound to what they lead to: a server cannot make a name
  /// lead elsewhere. Names of version 1, which older programs sealed, are bound to their directory only.
  Bytes seal_name(InodeId directory, InodeId inode, std::string_view name) const;
  Result<std::string> open_name(InodeId directory, InodeId inode, ByteView sealed) const;

  Bytes seal_target(InodeId inode, std::string_view target) const;  ///< symlink target, padded to 32
  Result<std::string> open_target(InodeId inode, ByteView sealed) const;

  /// Token of an xattr's name on one inode; the sealed value carries name and value.
  NameToken xattr_token(InodeId inode, std::string_view name) const;
  Bytes seal_xattr(InodeId inode, std::string_view name, ByteView value) const;
  struct Xattr {
    std::string name;
    Bytes value;
  };
  Result<Xattr> open_xattr(InodeId inode, ByteView sealed) const;

  /// Bound to the inode and to the content's id (PutContent::content).
  Bytes seal_manifest(InodeId inode, OpId content, ByteView manifest) const;
  Result<Bytes> open_manifest(InodeId inode, OpId content, ByteView sealed) const;

  /// HMAC(K_commit, payload): tells a commit of whoever holds the volume's key from one that a server, or a device that it
  /// made up, put into the feed. `proven` is the payload without the proof.
  Hash256 commit_proof(ByteView proven) const;

  const VolumeId& volume() const { return volume_; }

 private:
  VolumeId volume_;
  std::uint32_t epoch_;
  SecretBytes metadata_key_, name_key_, token_key_, commit_key_;
};

}  // namespace skymoor::crypto
