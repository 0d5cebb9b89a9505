#include "fuse/sync/feed/feed_opener.h"

#include "shared/crypto/hash.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {
constexpr std::size_t kMaxDevices = 100000;
}

Hash256 FeedOpener::next_hash(const Hash256& previous, const SignedCommit& commit) {
  return crypto::sha256({previous.view(), commit.payload, commit.signature});
}

Result<crypto::PublicKey> FeedOpener::key_of(const DeviceId& device, const CallOptions& options) {
  // This device's key is its own knowledge, not the server's.
  if (own_key_ && device == identity_.device) return *own_key_;
  if (auto it = keys_.find(device); it != keys_.end()) return it->second;
  const auto devices = TRY(remote_.devices(options));
  if (devices.size() > kMaxDevices) return Error(Code::kCorrupt, "the server names too many devices");
  for (const protocol::DevicePublic& known : devices) {
    crypto::PublicKey key{};
    if (known.signing_key.size() != key.size()) continue;
    std::copy(known.signing_key.begin(), known.signing_key.end(), key.begin());
    keys_.emplace(known.id, key);  // a key once seen stays: another one under the same id is not believed
  }
  if (auto it = keys_.find(device); it != keys_.end()) return it->second;
  return Error(Code::kBadSignature, "a change is signed by device " + device.hex() + ", which is not of this volume");
}

Status FeedOpener::check_key_proof(const Commit& commit, ByteView payload, const std::string& place) const {
  const std::string device = "device " + commit.device.hex();
  // This device's signature stands for the proof: its key is known here and nobody else has it, least of all the server.
  if (!commit.key_proof && own_key_ && commit.device == identity_.device) return {};
  if (!commit.key_proof)
    return Error(Code::kBadSignature, place + " by " + device + " is of an older version of skymoor, which did not prove that "
                                          "it holds the volume's key");
  if (!crypto::constant_time_equal(cipher_.commit_proof(proven_part(payload)).view(), commit.key_proof->view()))
    return Error(Code::kBadSignature, place + " was not made with the volume's key: " + device + " is not one of its owner's");
  return {};
}

Result<FeedOpener::Opened> FeedOpener::open(const FeedEntry& entry, const SyncPosition& at, NameFinder& names,
                                            const CallOptions& options) {
  const std::string place = "change " + std::to_string(entry.sequence.value);
  if (entry.sequence.value != at.cursor.value + 1) return Error(Code::kCorrupt, place + " does not follow the last one");
  if (next_hash(at.hash, entry.commit) != entry.hash)
    return Error(Code::kCorrupt, place + " does not fit the chain of changes");
  auto decoded = decode_commit(entry.commit.payload);
  if (!decoded.ok()) return Error(Code::kCorrupt, place + " is malformed");
  Commit& commit = *decoded;
  if (commit.volume != identity_.volume || commit.base >= entry.sequence)
    return Error(Code::kCorrupt, place + " is of another volume or history");
  TRY(check_key_proof(commit, entry.commit.payload, place));
  const crypto::PublicKey key = TRY(key_of(commit.device, options));
  if (!crypto::ed25519_verify(key, commit_signing_input(entry.commit.payload), entry.commit.signature))
    return Error(Code::kBadSignature, place + " is not signed by the device it names");
  if (Status based = bases_.check(commit, at, options); !based.ok()) return based.error().wrap(place + " does not belong here");
  Opened opened;
  opened.op = commit.op;
  opened.own = commit.op.writer == identity_.writer;
  if (opened.own && commit.device != identity_.device)
    return Error(Code::kCorrupt, place + " was made by another device in this one's name");
  opened.effects.reserve(commit.effects.size());
  for (Effect& effect : commit.effects) {
    auto tree_effect = open_effect(effect, names);
    if (!tree_effect.ok()) return tree_effect.error().wrap(place + " does not open");
    if (*tree_effect) opened.effects.push_back(std::move(**tree_effect));
  }
  bases_.note(at, entry.sequence, entry.hash, opened.op);
  return opened;
}

/// Nothing for the removal of an xattr that is not known here.
Result<std::optional<TreeEffect>> FeedOpener::open_effect(Effect& effect, NameFinder& names) const {
  using Found = std::optional<TreeEffect>;
  if (auto* e = std::get_if<NewInode>(&effect)) {
    NewEffect made{e->inode, e->attributes, {}};
    if (e->attributes.type == FileType::kSymlink) made.target = TRY(cipher_.open_target(e->inode, e->sealed_target));
    return Found(std::move(made));
  }
  if (auto* e = std::get_if<LinkName>(&effect)) {
    std::string name = TRY(cipher_.open_name(e->directory, e->inode, e->sealed_name));
    TRY(check_name(name));
    if (cipher_.name_token(e->directory, name) != e->token) return Error(Code::kCorrupt, "a name does not fit its token");
    names.learn(e->directory, e->token, name);
    return Found(LinkEffect{e->directory, std::move(name), e->inode});
  }
  if (auto* e = std::get_if<PutContent>(&effect)) {
    Bytes manifest = TRY(cipher_.open_manifest(e->inode, e->content, e->sealed_manifest));
    const Manifest decoded = TRY(decode_manifest(manifest));
    if (decoded.size != e->size) return Error(Code::kCorrupt, "a manifest does not fit its file's size");
    return Found(PutEffect{e->inode, e->content, e->size, e->mtime, e->ctime, std::move(manifest)});
  }
  if (auto* e = std::get_if<SetAttributes>(&effect)) return Found(AttributeEffect{e->inode, e->fields, e->values});
  if (auto* e = std::get_if<UnlinkName>(&effect))
    return Found(UnlinkEffect{e->directory, TRY(names.find(e->directory, e->token, e->inode)), e->inode});
  const auto& e = std::get<SetXattr>(effect);
  if (!e.sealed.empty()) {
    auto xattr = TRY(cipher_.open_xattr(e.inode, e.sealed));
    names.learn_xattr(e.inode, e.token, xattr.name);
    return Found(XattrEffect{e.inode, std::move(xattr.name), std::move(xattr.value)});
  }
  std::string name = TRY(names.find_xattr(e.inode, e.token));
  if (name.empty()) return Found();
  return Found(XattrEffect{e.inode, std::move(name), std::nullopt});
}

}  // namespace skymoor::client
