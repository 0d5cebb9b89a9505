// FeedOpener: checks an entry of the change feed and opens what is sealed in it.
#pragma once
#include <optional>
#include <unordered_map>

#include "fuse/journal/metadata_store.h"
#include "fuse/remote/volume_remote.h"
#include "fuse/sync/feed/base_check.h"
#include "fuse/sync/feed/name_finder.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// Trusts nothing that the server says: the chain of hashes must go on where this device is, the commit must prove that
/// whoever made it holds the volume's key (who the volume's devices are is the server's word alone), the signature must be of
/// a device of the volume, it must have been made on this history and not be in it already, everything sealed must open. Used
/// by the sync thread alone.
class FeedOpener {
 public:
  /// `own_key`: nothing where this device's own is not known any more (`SyncEngine::settle`).
  FeedOpener(VolumeRemote& remote, const crypto::VolumeCipher& cipher, const StoreIdentity& identity,
             const std::optional<crypto::PublicKey>& own_key, BaseCheck& bases)
      : remote_(remote), cipher_(cipher), identity_(identity), own_key_(own_key), bases_(bases) {}

  struct Opened {
    OpId op;
    bool own = false;
    std::vector<TreeEffect> effects;
  };
  /// Asks for the volume's devices when the signer is not known yet, and for older changes when the commit's base is older
  /// than what is remembered.
  /// Errors: Corrupt (chain or contents), BadSignature, those of the server.
  Result<Opened> open(const FeedEntry& entry, const SyncPosition& at, NameFinder& names, const CallOptions& options);
  /// Hash of the entry that follows `previous`.
  static Hash256 next_hash(const Hash256& previous, const SignedCommit& commit);

 private:
  Status check_key_proof(const Commit& commit, ByteView payload, const std::string& place) const;
  Result<crypto::PublicKey> key_of(const DeviceId& device, const CallOptions& options);
  Result<std::optional<TreeEffect>> open_effect(Effect& effect, NameFinder& names) const;

  VolumeRemote& remote_;
  const crypto::VolumeCipher& cipher_;
  const StoreIdentity identity_;
  const std::optional<crypto::PublicKey> own_key_;
  BaseCheck& bases_;
  std::unordered_map<DeviceId, crypto::PublicKey> keys_;
};

}  // namespace skymoor::client
