#include "backend-server/services/namespace.h"

#include "backend-server/block_store/block_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/changes.h"
#include "backend-server/services/commit/arbiter.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/signature.h"

namespace skymoor::server {
namespace {

/// The public key with which the caller's commits to this volume must be signed.
Result<crypto::PublicKey> find_signing_key(const ReadTables& tables, const Caller& caller, const VolumeId& volume) {
  TRY(require_role(tables.volumes, caller, volume, protocol::Role::kWriter));
  return require_signing_key(tables.accounts, caller);
}

}  // namespace

/// A database that is newer than the blocks (put back from different backups) knows of blocks that are not there.
Result<std::vector<BlockId>> NamespaceService::lost_blocks(const Commit& commit) const {
  std::vector<BlockId> named, lost;
  for (const Effect& effect : commit.effects)
    if (const auto* put = std::get_if<PutContent>(&effect)) named.insert(named.end(), put->blocks.begin(), put->blocks.end());
  if (named.empty()) return lost;
  const auto stored = TRY(blocks_.contains(commit.volume, named));
  for (std::size_t i = 0; i < named.size(); ++i)
    if (!stored[i]) lost.push_back(named[i]);
  return lost;
}

Result<protocol::CommitReply> NamespaceService::commit(const Caller& caller, const VolumeId& volume,
                                                       const SignedCommit& sealed) {
  // First, so that whoever is no member learns nothing, not even whether the commit was well formed.
  auto key = read_from(store_, [&](const ReadTables& tables) { return find_signing_key(tables, caller, volume); });
  if (!key.ok()) return std::move(key).error();
  Commit commit = TRY(decode_commit(sealed.payload));
  // Whether it is true only who holds the volume's key can tell; none at all every device would stop at.
  if (!commit.key_proof)
    return Error(Code::kInvalidArgument, "the commit does not prove that its device holds the volume's key: update skymoor");
  if (commit.volume != volume) return Error(Code::kUnprocessable, "the commit is for another volume");
  if (commit.device != caller.device) return Error(Code::kUnprocessable, "the commit is by another device");
  if (!crypto::ed25519_verify(*key, commit_signing_input(sealed.payload), sealed.signature))
    return Error(Code::kBadSignature, "the commit's signature is not its device's");
  IncomingCommit incoming{caller, sealed, commit, crypto::sha256(sealed.payload), clock_.now(), TRY(lost_blocks(commit))};
  auto reply = update_in(store_, [&](Tables& tables) { return arbitrate(tables, incoming); });
  if (reply.ok()) changes_.published(volume, reply->head);
  return reply;
}

}  // namespace skymoor::server
