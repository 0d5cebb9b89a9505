// CommitSealer: closes effects for the server: names, targets, xattrs and manifests sealed, the whole proven and signed.
#pragma once
#include <set>

#include "fuse/journal/metadata_store.h"
#include "fuse/sync/plan/overlay.h"
#include "fuse/sync/plan/planner.h"
#include "shared/crypto/volume_cipher.h"

namespace skymoor::client {

/// Immutable, thread-safe.
class CommitSealer {
 public:
  CommitSealer(const crypto::VolumeCipher& cipher, const crypto::KeyPair& device_key, const StoreIdentity& identity)
      : cipher_(cipher), device_key_(device_key), identity_(identity) {}

  struct Request {
    SyncPosition base;
    Lsn cut;
    Timestamp time{};
    const std::vector<TreeEffect>& effects;
    const std::set<PlannedRead>& reads;
    Overlay& tree;      ///< tells which read objects the server can know
    std::optional<OpId> op = {};               ///< nothing: the record's at the cut
    std::optional<Restored> restored = {};
  };
  /// Errors: TooLarge (more than a commit may hold), Corrupt (a manifest of ours does not decode).
  Result<SignedCommit> seal(const Request& request) const;

 private:
  Result<Effect> close(const TreeEffect& effect) const;
  Effect close_one(const NewEffect& effect) const;
  Effect close_one(const LinkEffect& effect) const;
  Effect close_one(const UnlinkEffect& effect) const;
  Effect close_one(const AttributeEffect& effect) const;
  Effect close_one(const XattrEffect& effect) const;
  Result<Effect> close_put(const PutEffect& effect) const;

  const crypto::VolumeCipher& cipher_;
  const crypto::KeyPair& device_key_;
  const StoreIdentity identity_;
};

}  // namespace skymoor::client
