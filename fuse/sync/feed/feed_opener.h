// FeedOpener: checks an entry of the change feed and opens what is sealed in it.
#pragma once
#include <unordered_map>

#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"
#include "fuse/sync/feed/name_finder.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// Trusts nothing that the server says: the chain of hashes must go on where this device is, the signature must be of a
/// device of the volume, everything sealed must open. Used by the sync thread alone.
class FeedOpener {
 public:
  FeedOpener(VolumeRemote& remote, const crypto::VolumeCipher& cipher, const StoreIdentity& identity,
             const crypto::PublicKey& own_key)
      : remote_(remote), cipher_(cipher), identity_(identity), own_key_(own_key) {}

  struct Opened {
    OpId op;
    bool own = false;
    std::vector<TreeEffect> effects;
  };
  /// Asks for the volume's devices when the signer is not known yet.
  /// Errors: Corrupt (chain or contents), BadSignature, those of the server.
  Result<Opened> open(const FeedEntry& entry, const SyncPosition& at, NameFinder& names, const CallOptions& options);
  /// Hash of the entry that follows `previous`.
  static Hash256 next_hash(const Hash256& previous, const SignedCommit& commit);

 private:
  Result<crypto::PublicKey> key_of(const DeviceId& device, const CallOptions& options);
  Result<std::optional<TreeEffect>> open_effect(Effect& effect, NameFinder& names) const;

  VolumeRemote& remote_;
  const crypto::VolumeCipher& cipher_;
  const StoreIdentity identity_;
  const crypto::PublicKey own_key_;
  std::unordered_map<DeviceId, crypto::PublicKey> keys_;
};

}  // namespace skymoor::client
