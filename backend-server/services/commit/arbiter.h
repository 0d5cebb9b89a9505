// The arbiter: decides whether a commit fits the tree, and applies it whole or not at all.
#pragma once
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/caller.h"
#include "shared/model/change.h"

namespace skymoor::server {

/// A commit that was decoded and whose signature is the caller's device's.
struct IncomingCommit {
  const Caller& caller;
  const SignedCommit& sealed;
  const Commit& commit;
  Hash256 payload_hash;
  Timestamp now{};
  std::vector<BlockId> lost;   ///< of the blocks it names: those that the block store does not have
};

/// Runs inside one update of the store, which undoes everything when an error comes back.
/// Errors: as NamespaceService::commit, without those of decoding and of the signature.
Result<protocol::CommitReply> arbitrate(Tables& tables, const IncomingCommit& incoming);

}  // namespace skymoor::server
