#include <algorithm>
#include <stdexcept>

#include "shared/block/seal.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/signature.h"
#include "shared/model/manifest.h"
#include "tests/support/fake_volume_remote.h"

namespace skymoor::client {
namespace {

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

}  // namespace

FakeVolumeServer::FakeVolumeServer(VolumeId volume) : volume_(volume) {
  Inode root;
  root.record.inode = kRootInode;
  root.record.attributes.type = FileType::kDirectory;
  root.record.attributes.mode = 0755;
  root.record.links = 1;
  state_.inodes[kRootInode] = root;
}

void FakeVolumeServer::add_device(const protocol::DevicePublic& device) {
  std::lock_guard lock(mutex_);
  devices_.push_back(device);
}

std::size_t FakeVolumeServer::commits() const {
  std::lock_guard lock(mutex_);
  return log_.size();
}
std::vector<FeedEntry> FakeVolumeServer::feed() const {
  std::lock_guard lock(mutex_);
  return log_;
}
std::set<OpId> FakeVolumeServer::live_contents() const {
  std::lock_guard lock(mutex_);
  std::set<OpId> live;
  for (const auto& [id, inode] : state_.inodes)
    if (!inode.names.empty()) live.insert(inode.record.content);
  return live;
}
std::size_t FakeVolumeServer::blocks() const {
  std::lock_guard lock(mutex_);
  return blocks_.size();
}
std::uint64_t FakeVolumeServer::stored_bytes() const {
  std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [id, bytes] : blocks_) sum += bytes.size();
  return sum;
}
void FakeVolumeServer::drop_blocks() {
  std::lock_guard lock(mutex_);
  blocks_.clear();
}
void FakeVolumeServer::forget_newest(std::size_t commits) {
  std::lock_guard lock(mutex_);
  log_.resize(log_.size() - std::min(commits, log_.size()));
}
std::shared_ptr<const FakeVolumeServer::Backup> FakeVolumeServer::back_up() const {
  std::lock_guard lock(mutex_);
  return std::make_shared<Backup>(Backup{epoch_, state_, log_, done_, blocks_});
}
void FakeVolumeServer::put_back(const Backup& backup, bool blocks_too) {
  std::lock_guard lock(mutex_);
  epoch_ = backup.epoch;
  state_ = backup.state;
  log_ = backup.log;
  done_ = backup.done;
  if (blocks_too) blocks_ = backup.blocks;
}
Epoch FakeVolumeServer::epoch() const {
  std::lock_guard lock(mutex_);
  return epoch_;
}
void FakeVolumeServer::damage_newest_entry() {
  std::lock_guard lock(mutex_);
  log_.back().commit.payload.back() ^= 1;
}

Status FakeVolumeServer::check_reads(const Commit& commit) const {
  auto newer = [&](std::uint64_t sequence) { return sequence > commit.base.value; };
  for (const ReadRef& ref : commit.reads) {
    bool changed = false;
    auto inode = state_.inodes.find(ref.inode);
    if (ref.kind == ReadKind::kSlot) {
      auto slot = state_.slots.find({ref.inode, ref.token});
      auto vacated = state_.vacated.find({ref.inode, ref.token});
      changed = (slot != state_.slots.end() && newer(slot->second.changed)) ||
                (vacated != state_.vacated.end() && newer(vacated->second));
    } else if (inode != state_.inodes.end()) {
      changed = newer(ref.kind == ReadKind::kInode ? inode->second.checked : inode->second.children);
    }
    if (changed) return Error(Code::kConflict, "a read object has changed");
  }
  return {};
}

bool FakeVolumeServer::under(const State& state, InodeId directory, InodeId ancestor) const {
  for (int depth = 0; depth < 10000; ++depth) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    const Inode& inode = state.inodes.at(directory);
    if (inode.names.empty()) return false;
    directory = inode.names.begin()->first;
  }
  return true;
}

Status FakeVolumeServer::apply_one(State& state, const Effect& effect, std::uint64_t sequence) const {
  auto wrong = [](const char* what) { return Error(Code::kUnprocessable, what); };
  if (const auto* e = std::get_if<NewInode>(&effect)) {
    if (state.inodes.contains(e->inode)) return wrong("the inode exists");
    Inode& inode = state.inodes[e->inode];
    inode.record.inode = e->inode;
    inode.record.attributes = e->attributes;
    inode.record.sealed_target = e->sealed_target;
    inode.checked = sequence;
    return {};
  }
  if (const auto* e = std::get_if<LinkName>(&effect)) {
    auto directory = state.inodes.find(e->directory), inode = state.inodes.find(e->inode);
    if (inode == state.inodes.end() || directory == state.inodes.end()) return wrong("no such inode");
    if (directory->second.record.attributes.type != FileType::kDirectory) return wrong("not a directory");
    if (e->directory != kRootInode && directory->second.names.empty()) return wrong("dead parent");
    if (state.slots.contains({e->directory, e->token})) return wrong("used slot");
    const bool is_directory = inode->second.record.attributes.type == FileType::kDirectory;
    if (is_directory && !inode->second.names.empty()) return wrong("second link to a directory");
    if (is_directory && under(state, e->directory, e->inode)) return wrong("cycle");
    state.slots[{e->directory, e->token}] = {e->inode, e->sealed_name, sequence};
    inode->second.names.insert({e->directory, e->token});
    inode->second.checked = directory->second.children = sequence;
    return {};
  }
  if (const auto* e = std::get_if<UnlinkName>(&effect)) {
    auto slot = state.slots.find({e->directory, e->token});
    if (slot == state.slots.end() || slot->second.inode != e->inode) return wrong("the slot holds another");
    state.slots.erase(slot);
    state.vacated[{e->directory, e->token}] = sequence;
    Inode& inode = state.inodes.at(e->inode);
    inode.names.erase({e->directory, e->token});
    inode.checked = state.inodes.at(e->directory).children = sequence;
    return {};
  }
  if (const auto* e = std::get_if<PutContent>(&effect)) {
    auto inode = state.inodes.find(e->inode);
    if (inode == state.inodes.end()) return wrong("no such inode");
    for (const BlockId& block : e->blocks)
      if (!blocks_.contains(block)) return Error(Code::kBlockMissing, block.hex());
    InodeRecord& record = inode->second.record;
    record.content = e->content;
    record.content_version = Sequence{sequence};
    record.attributes.size = e->size;
    record.attributes.mtime = e->mtime;
    record.attributes.ctime = e->ctime;
    record.sealed_manifest = e->sealed_manifest;
    inode->second.checked = sequence;
    return {};
  }
  if (const auto* e = std::get_if<SetAttributes>(&effect)) {
    auto inode = state.inodes.find(e->inode);
    if (inode == state.inodes.end()) return wrong("no such inode");
    Attributes& a = inode->second.record.attributes;
    if (e->fields & kFieldMode) a.mode = e->values.mode;
    if (e->fields & kFieldUid) a.uid = e->values.uid;
    if (e->fields & kFieldGid) a.gid = e->values.gid;
    if (e->fields & kFieldAtime) a.atime = e->values.atime;
    if (e->fields & kFieldMtime) a.mtime = e->values.mtime;
    if (e->fields & kFieldCtime) a.ctime = e->values.ctime;
    return {};
  }
  const auto& e = std::get<SetXattr>(effect);
  auto inode = state.inodes.find(e.inode);
  if (inode == state.inodes.end()) return wrong("no such inode");
  std::erase_if(inode->second.record.xattrs, [&](const SetXattr& x) { return x.token == e.token; });
  if (!e.sealed.empty()) inode->second.record.xattrs.push_back(e);
  return {};
}

Status FakeVolumeServer::apply(State& state, const Commit& commit, std::uint64_t sequence) const {
  std::set<InodeId> touched;
  for (const Effect& effect : commit.effects) {
    TRY(apply_one(state, effect, sequence));
    std::visit([&](const auto& e) { touched.insert(e.inode); }, effect);
    if (const auto* e = std::get_if<LinkName>(&effect)) touched.insert(e->directory);
    if (const auto* e = std::get_if<UnlinkName>(&effect)) touched.insert(e->directory);
  }
  for (const Effect& effect : commit.effects) {
    const auto id = std::visit([](const auto& e) { return e.inode; }, effect);
    const bool edit = std::holds_alternative<PutContent>(effect) || std::holds_alternative<SetAttributes>(effect) ||
                      std::holds_alternative<SetXattr>(effect);
    auto before = state_.inodes.find(id);
    const bool was_dead = id != kRootInode && before != state_.inodes.end() && before->second.names.empty();
    if (edit && was_dead && state.inodes.at(id).names.empty()) return Error(Code::kUnprocessable, "an edit of a deleted inode");
  }
  for (InodeId id : touched) {
    Inode& inode = state.inodes.at(id);
    inode.record.version = Sequence{sequence};
    inode.record.links = id == kRootInode ? 1 : static_cast<std::uint32_t>(inode.names.size());
    if (inode.record.attributes.type != FileType::kDirectory || !inode.names.empty() || id == kRootInode) continue;
    auto child = state.slots.lower_bound({id, NameToken{}});
    if (child != state.slots.end() && child->first.first == id) return Error(Code::kUnprocessable, "directory not empty");
  }
  return {};
}

Result<protocol::CommitReply> FakeVolumeServer::commit(const SignedCommit& signed_commit) {
  protocol::CommitReply reply;
  {
    std::lock_guard lock(mutex_);
    const Commit commit = TRY(decode_commit(signed_commit.payload));
    auto device = std::find_if(devices_.begin(), devices_.end(), [&](const auto& d) { return d.id == commit.device; });
    crypto::PublicKey key{};
    if (device == devices_.end()) return Error(Code::kForbidden, "unknown device");
    std::copy(device->signing_key.begin(), device->signing_key.end(), key.begin());
    if (!crypto::ed25519_verify(key, commit_signing_input(signed_commit.payload), signed_commit.signature))
      return Error(Code::kBadSignature, "bad signature");
    const Hash256 body = crypto::sha256(signed_commit.payload);
    if (auto it = done_.find(commit.op); it != done_.end()) {
      if (it->second.first != body) return Error(Code::kUnprocessable, "op id used with another body");
      return it->second.second;
    }
    if (commit.epoch != epoch_ || commit.base.value > log_.size()) return Error(Code::kResync, "epoch or base");
    const Hash256 at_base = commit.base.value ? log_[commit.base.value - 1].hash : Hash256{};
    if (commit.base_hash != at_base) return Error(Code::kResync, "base hash");
    TRY(check_reads(commit));
    const std::uint64_t sequence = log_.size() + 1;
    State next = state_;
    Status applied = apply(next, commit, sequence);
    if (!applied.ok() && applied.error().code() == Code::kUnprocessable && commit.base.value < log_.size())
      return Error(Code::kConflict, "does not fit a newer tree: " + applied.error().message());
    TRY(std::move(applied));
    state_ = std::move(next);
    const Hash256 previous = log_.empty() ? Hash256{} : log_.back().hash;
    FeedEntry entry{Sequence{sequence},
                    crypto::sha256({previous.view(), signed_commit.payload, signed_commit.signature}), signed_commit};
    reply = {entry.sequence, entry.hash, entry.sequence};
    log_.push_back(std::move(entry));
    done_[commit.op] = {body, reply};
    if (observer_) observer_(*this);
  }
  std::lock_guard lock(listeners_mutex_);
  for (const auto& [id, listener] : listeners_) listener(reply.sequence);
  return reply;
}

InodeRecord FakeVolumeServer::record_of(const Inode& inode, std::size_t manifest_bytes) const {
  InodeRecord record = inode.record;
  if (record.sealed_manifest.size() > manifest_bytes) {
    record.sealed_manifest.clear();
    record.manifest_left_out = true;
  }
  return record;
}

void FakeVolumeServer::walk(const crypto::VolumeCipher& cipher, InodeId directory, const std::string& path,
                            std::map<std::string, Plain>& out) const {
  for (auto it = state_.slots.lower_bound({directory, NameToken{}});
       it != state_.slots.end() && it->first.first == directory; ++it) {
    const std::string name = must(cipher.open_name(directory, it->second.inode, it->second.sealed_name));
    const InodeRecord& record = state_.inodes.at(it->second.inode).record;
    const std::string here = path.empty() ? name : path + "/" + name;
    Plain& plain = out[here];
    plain.attributes = record.attributes;
    plain.inode = record.inode;
    plain.links = record.links;
    if (record.attributes.type == FileType::kSymlink)
      plain.target = must(cipher.open_target(record.inode, record.sealed_target));
    for (const SetXattr& xattr : record.xattrs) {
      auto opened = must(cipher.open_xattr(record.inode, xattr.sealed));
      plain.xattrs[opened.name] = std::string(as_text(opened.value));
    }
    if (!record.sealed_manifest.empty()) {
      const Manifest manifest =
          must(decode_manifest(must(cipher.open_manifest(record.inode, record.content, record.sealed_manifest))));
      Bytes bytes = manifest.inline_data;
      for (const Chunk& chunk : manifest.chunks) {
        if (chunk.is_hole()) {
          bytes.resize(bytes.size() + chunk.length);
        } else if (Status opened = block::open_block(chunk.block, chunk.key, blocks_.at(chunk.block),
                                                     static_cast<std::uint32_t>(chunk.length), bytes);
                   !opened.ok()) {
          throw std::runtime_error(opened.error().to_string());
        }
      }
      plain.bytes = std::string(as_text(bytes));
    }
    if (record.attributes.type == FileType::kDirectory) walk(cipher, record.inode, here, out);
  }
}

std::map<std::string, FakeVolumeServer::Plain> FakeVolumeServer::plain_tree(const crypto::VolumeCipher& cipher) const {
  std::lock_guard lock(mutex_);
  std::map<std::string, Plain> out;
  walk(cipher, kRootInode, "", out);
  return out;
}

}  // namespace skymoor::client
