#include "fuse/sync/push/commit_sealer.h"

#include <algorithm>
#include <unordered_set>

#include "shared/model/manifest.h"

namespace skymoor::client {

Effect CommitSealer::close_one(const NewEffect& effect) const {
  const bool symlink = effect.attributes.type == FileType::kSymlink;
  return NewInode{effect.inode, effect.attributes, symlink ? cipher_.seal_target(effect.inode, effect.target) : Bytes()};
}

Effect CommitSealer::close_one(const LinkEffect& effect) const {
  return LinkName{effect.directory, cipher_.name_token(effect.directory, effect.name),
                  cipher_.seal_name(effect.directory, effect.inode, effect.name), effect.inode};
}

Effect CommitSealer::close_one(const UnlinkEffect& effect) const {
  return UnlinkName{effect.directory, cipher_.name_token(effect.directory, effect.name), effect.inode};
}

Effect CommitSealer::close_one(const AttributeEffect& effect) const {
  return SetAttributes{effect.inode, effect.fields, effect.values};
}

Effect CommitSealer::close_one(const XattrEffect& effect) const {
  return SetXattr{effect.inode, cipher_.xattr_token(effect.inode, effect.name),
                  effect.value ? cipher_.seal_xattr(effect.inode, effect.name, *effect.value) : Bytes()};
}

Result<Effect> CommitSealer::close_put(const PutEffect& effect) const {
  PutContent put{effect.inode, effect.content, effect.size, effect.mtime, effect.ctime,
                 cipher_.seal_manifest(effect.inode, effect.content, effect.manifest), {}};
  const Manifest manifest = TRY(decode_manifest(effect.manifest));
  std::unordered_set<BlockId> seen;
  for (const Chunk& chunk : manifest.chunks)
    if (!chunk.is_hole() && seen.insert(chunk.block).second) put.blocks.push_back(chunk.block);
  return Effect(std::move(put));
}

Result<Effect> CommitSealer::close(const TreeEffect& effect) const {
  if (const auto* put = std::get_if<PutEffect>(&effect)) return close_put(*put);
  return std::visit(
      [&](const auto& e) -> Effect {
        if constexpr (std::is_same_v<std::decay_t<decltype(e)>, PutEffect>) return NewInode{};
        else return close_one(e);
      },
      effect);
}

Result<SignedCommit> CommitSealer::seal(const Request& request) const {
  Commit commit;
  commit.volume = identity_.volume;
  commit.epoch = request.base.epoch;
  commit.device = identity_.device;
  commit.op = request.op.value_or(OpId{identity_.writer, request.cut.value});
  commit.restored = request.restored;
  commit.base = request.base.cursor;
  commit.base_hash = request.base.hash;
  commit.time = request.time;
  if (request.effects.size() > kMaxCommitEffects) return Error(Code::kTooLarge, "more effects than a commit may hold");
  commit.effects.reserve(request.effects.size());
  for (const TreeEffect& effect : request.effects) commit.effects.push_back(TRY(close(effect)));
  // What this commit makes itself the server cannot know, and nobody else can have changed.
  const auto& nodes = request.tree.nodes();
  for (const PlannedRead& read : request.reads) {
    auto node = nodes.find(read.inode);
    if (node != nodes.end() && !node->second.base) continue;
    ReadRef ref{read.kind, read.inode, {}};
    if (read.kind == ReadKind::kSlot) ref.token = cipher_.name_token(read.inode, read.name);
    commit.reads.push_back(ref);
  }
  if (commit.reads.size() > kMaxCommitReads) return Error(Code::kTooLarge, "more reads than a commit may hold");
  SignedCommit sealed;
  commit.key_proof.emplace();
  sealed.payload = encode_commit(commit);
  const Hash256 proof = cipher_.commit_proof(proven_part(sealed.payload));
  std::copy(proof.value.begin(), proof.value.end(), sealed.payload.end() - proof.value.size());
  if (sealed.payload.size() > kMaxCommitBytes) return Error(Code::kTooLarge, "the commit is larger than 8 MiB");
  sealed.signature = crypto::ed25519_sign(device_key_, commit_signing_input(sealed.payload));
  return sealed;
}

}  // namespace skymoor::client
