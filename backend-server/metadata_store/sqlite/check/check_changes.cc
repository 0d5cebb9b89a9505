// The commits of every volume: an unbroken chain, signed, answered, and standing in the tree.
#include <map>

#include "backend-server/metadata_store/sqlite/check/checker.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/signature.h"
#include "shared/model/change.h"

namespace skymoor::server {
namespace {

struct Volume {
  std::uint64_t number = 0;
  VolumeId id;
  Sequence head, slot_floor;
  Hash256 head_hash;
};

struct StoredCommit {
  Sequence sequence;
  Hash256 hash;
  DeviceId device;
  Bytes signature, payload;
};

/// The checks of one volume, commit by commit.
class ChainCheck {
 public:
  ChainCheck(CheckContext& context, const Volume& volume) : context_(context), volume_(volume) {}

  Status run() {
    auto q = TRY(context_.connection.query(
        "SELECT sequence,hash,device_id,signature,payload FROM changes WHERE volume=$1 ORDER BY sequence", volume_.number));
    while (TRY(q.step())) TRY(look_at({q.number<Sequence>(0), q.id<Hash256>(1), q.id<DeviceId>(2), q.blob(3), q.blob(4)}));
    if (last_ != volume_.head) find("its head is " + number(volume_.head) + ", and its last commit " + number(last_));
    else if (hash_ != volume_.head_hash) find("its head's hash is not that of its last commit");
    auto answers = TRY(context_.connection.query("SELECT COUNT(*) FROM operations WHERE volume=$1", volume_.number));
    TRY(answers.step());
    if (answers.u64(0) > seen_) find(std::to_string(answers.u64(0) - seen_) + " stored answers are of no commit");
    return {};
  }

 private:
  static std::string number(Sequence sequence) { return std::to_string(sequence.value); }
  void find(const std::string& what) { context_.find("volume " + volume_.id.hex() + ": " + what); }
  void find(Sequence at, const std::string& what) { find("commit " + number(at) + " " + what); }

  Status look_at(const StoredCommit& stored) {
    ++seen_;
    ++context_.report.commits;
    if (stored.sequence.value != last_.value + 1)
      find("commits " + std::to_string(last_.value + 1) + " to " + std::to_string(stored.sequence.value - 1) + " are missing");
    const Hash256 hash = crypto::sha256({hash_.view(), stored.payload, stored.signature});
    if (hash != stored.hash) find(stored.sequence, "does not have the hash that the chain gives it");
    last_ = stored.sequence;
    hash_ = stored.hash;   // so that one broken link is one finding
    TRY(check_signature(stored));
    auto commit = decode_commit(stored.payload);
    if (!commit.ok()) {
      find(stored.sequence, "cannot be read: " + commit.error().message());
      return {};
    }
    if (commit->volume != volume_.id || commit->device != stored.device) find(stored.sequence, "is of another volume or device");
    TRY(check_answer(stored, *commit));
    return check_effects(stored.sequence, *commit);
  }

  Status check_signature(const StoredCommit& stored) {
    auto q = TRY(context_.connection.query("SELECT signing_key FROM devices WHERE id=$1", stored.device));
    crypto::PublicKey key{};
    SignatureBytes signature{};
    if (!TRY(q.step())) {
      find(stored.sequence, "is by a device that nobody knows");
      return {};
    }
    const Bytes stored_key = q.blob(0);
    if (stored_key.size() == key.size() && stored.signature.size() == signature.size()) {
      std::copy(stored_key.begin(), stored_key.end(), key.begin());
      std::copy(stored.signature.begin(), stored.signature.end(), signature.begin());
      if (crypto::ed25519_verify(key, commit_signing_input(stored.payload), signature)) return {};
    }
    find(stored.sequence, "does not carry its device's signature");
    return {};
  }

  Status check_answer(const StoredCommit& stored, const Commit& commit) {
    auto q = TRY(context_.connection.query(
        "SELECT sequence,hash,payload_hash FROM operations WHERE volume=$1 AND writer=$2 AND counter=$3", volume_.number,
        commit.op.writer, commit.op.counter));
    if (!TRY(q.step())) find(stored.sequence, "has no stored answer");
    else if (q.number<Sequence>(0) != stored.sequence || q.id<Hash256>(1) != stored.hash ||
             q.id<Hash256>(2) != crypto::sha256(stored.payload))
      find(stored.sequence, "has a stored answer that is not its own");
    return {};
  }

  /// Where names ended up in this commit: what it put there must be there still, or something later.
  Status check_effects(Sequence sequence, const Commit& commit) {
    std::map<std::pair<InodeId, NameToken>, std::optional<InodeId>> slots;
    std::map<InodeId, const PutContent*> contents;
    for (const Effect& effect : commit.effects) {
      if (const auto* link = std::get_if<LinkName>(&effect)) slots[{link->directory, link->token}] = link->inode;
      if (const auto* unlink = std::get_if<UnlinkName>(&effect)) slots[{unlink->directory, unlink->token}] = std::nullopt;
      if (const auto* put = std::get_if<PutContent>(&effect)) contents[put->inode] = put;
      if (const auto* made = std::get_if<NewInode>(&effect)) TRY(check_made(sequence, *made));
    }
    for (const auto& [slot, inode] : slots) TRY(check_slot(sequence, slot.first, slot.second, inode));
    for (const auto& [inode, put] : contents) TRY(check_content(sequence, *put));
    return {};
  }

  Status check_made(Sequence sequence, const NewInode& made) {
    auto q = TRY(context_.connection.query("SELECT type FROM inodes WHERE volume=$1 AND inode=$2", volume_.number, made.inode));
    if (!TRY(q.step())) find(sequence, "made inode " + std::to_string(made.inode.value) + ", which is not there");
    else if (q.i64(0) != static_cast<int>(made.attributes.type))
      find(sequence, "made inode " + std::to_string(made.inode.value) + ", which is of another type now");
    return {};
  }

  Status check_slot(Sequence sequence, InodeId directory, const NameToken& token, const std::optional<InodeId>& inode) {
    auto q = TRY(context_.connection.query(
        "SELECT inode,sequence FROM dentries WHERE volume=$1 AND directory=$2 AND token=$3", volume_.number, directory, token));
    if (TRY(q.step())) {
      const Sequence linked = q.number<Sequence>(1);
      if (linked > sequence || (inode && linked == sequence && q.number<InodeId>(0) == *inode)) return {};
      find(sequence, "left a name in directory " + std::to_string(directory.value) + " other than it is now");
      return {};
    }
    if (!inode) return {};
    auto vacated = TRY(context_.connection.query(
        "SELECT sequence FROM vacated_slots WHERE volume=$1 AND directory=$2 AND token=$3", volume_.number, directory, token));
    if (TRY(vacated.step()) ? vacated.number<Sequence>(0) > sequence : sequence <= volume_.slot_floor) return {};
    find(sequence, "gave inode " + std::to_string(inode->value) + " a name in directory " + std::to_string(directory.value) +
                       ", which is gone though nothing removed it");
    return {};
  }

  Status check_content(Sequence sequence, const PutContent& put) {
    auto q = TRY(context_.connection.query(
        "SELECT size,manifest FROM versions WHERE volume=$1 AND inode=$2 AND sequence=$3", volume_.number, put.inode, sequence));
    const std::string which = "version of inode " + std::to_string(put.inode.value);
    if (!TRY(q.step())) find(sequence, "stored a " + which + ", which is not there");
    else if (q.u64(0) != put.size || q.blob(1) != put.sealed_manifest)
      find(sequence, "stored a " + which + " that differs from what is there");
    return {};
  }

  CheckContext& context_;
  const Volume& volume_;
  Sequence last_;
  Hash256 hash_;
  std::uint64_t seen_ = 0;
};

}  // namespace

Status check_changes(CheckContext& context) {
  std::vector<Volume> volumes;
  {
    auto q = TRY(context.connection.query("SELECT number,id,head,slot_floor,head_hash FROM volumes ORDER BY number"));
    while (TRY(q.step()))
      volumes.push_back({q.u64(0), q.id<VolumeId>(1), q.number<Sequence>(2), q.number<Sequence>(3), q.id<Hash256>(4)});
  }
  for (const Volume& volume : volumes) TRY(ChainCheck(context, volume).run());
  return {};
}

}  // namespace skymoor::server
