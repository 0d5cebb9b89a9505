// TestWriter: a device that commits to a volume, as a client would.
#pragma once
#include "tests/unit/server_services/service_fixture.h"

namespace skymoor::server {

/// Keeps the device's view of the volume (base and hash). Does not lock: one thread.
class TestWriter {
 public:
  TestWriter(Services& services, TestDevice device, VolumeId volume)
      : services_(services), device_(std::move(device)), volume_(volume) {
    auto lease = services_.volumes().lease_writer(device_.caller, volume_);
    EXPECT_TRUE(lease.ok());
    if (lease.ok()) writer_ = lease->writer;
    pull();
  }

  InodeId next_inode() { return make_inode_id(writer_, ++inodes_); }
  OpId next_op() { return {writer_, ++ops_}; }
  void pull() {
    auto info = services_.volumes().info(device_.caller, volume_);
    ASSERT_TRUE(info.ok());
    base_ = info->head;
    base_hash_ = info->head_hash;
  }

  Commit plan(std::vector<Effect> effects, std::vector<ReadRef> reads = {}) {
    Commit commit;
    commit.volume = volume_;
    commit.device = device_.caller.device;
    commit.op = next_op();
    commit.base = base_;
    commit.base_hash = base_hash_;
    commit.reads = std::move(reads);
    commit.effects = std::move(effects);
    commit.key_proof.emplace();
    return commit;
  }
  SignedCommit sign(const Commit& commit) const { return sign_payload(encode_commit(commit)); }
  SignedCommit sign_payload(Bytes payload) const {
    SignedCommit sealed{std::move(payload), {}};
    sealed.signature = crypto::ed25519_sign(device_.key, commit_signing_input(sealed.payload));
    return sealed;
  }
  Result<protocol::CommitReply> send(const SignedCommit& sealed) {
    return services_.names().commit(device_.caller, volume_, sealed);
  }
  Result<protocol::CommitReply> send(const Commit& commit) { return send(sign(commit)); }
  /// Plans on the present base and sends; the view moves on when the commit is the next one.
  Result<protocol::CommitReply> submit(std::vector<Effect> effects, std::vector<ReadRef> reads = {}) {
    auto reply = send(plan(std::move(effects), std::move(reads)));
    if (reply.ok() && reply->sequence.value == base_.value + 1) {
      base_ = reply->sequence;
      base_hash_ = reply->hash;
    }
    return reply;
  }

  const TestDevice& device() const { return device_; }
  const Caller& caller() const { return device_.caller; }
  const VolumeId& volume() const { return volume_; }
  WriterId writer() const { return writer_; }
  Sequence base() const { return base_; }
  void set_base(Sequence base, Hash256 hash) {
    base_ = base;
    base_hash_ = hash;
  }

 private:
  Services& services_;
  TestDevice device_;
  VolumeId volume_;
  WriterId writer_;
  std::uint64_t inodes_ = 0, ops_ = 0;
  Sequence base_;
  Hash256 base_hash_;
};

inline NameToken token_of(const std::string& name) {
  NameToken token;
  token.value = crypto::sha256(as_bytes(name)).value;
  return token;
}
inline Effect new_inode(InodeId inode, FileType type = FileType::kFile) {
  NewInode effect{inode, {}, {}};
  effect.attributes.type = type;
  effect.attributes.mode = 0644;
  if (type == FileType::kSymlink) effect.sealed_target = Bytes(48, 5);
  return effect;
}
inline Effect new_directory(InodeId inode) { return new_inode(inode, FileType::kDirectory); }
inline Effect link(InodeId directory, const std::string& name, InodeId inode) {
  return LinkName{directory, token_of(name), to_bytes("sealed " + name), inode};
}
inline Effect unlink(InodeId directory, const std::string& name, InodeId inode) {
  return UnlinkName{directory, token_of(name), inode};
}
inline Effect put(InodeId inode, std::uint64_t size, std::vector<BlockId> blocks = {}, std::uint64_t content = 1) {
  PutContent effect;
  effect.inode = inode;
  effect.content = {writer_of(inode), content};
  effect.size = size;
  effect.mtime = Timestamp{std::chrono::nanoseconds{static_cast<std::int64_t>(size) + 1}};
  effect.sealed_manifest = Bytes(100, static_cast<std::uint8_t>(size));
  effect.blocks = std::move(blocks);
  return effect;
}
inline Effect chmod(InodeId inode, std::uint32_t mode) {
  SetAttributes effect;
  effect.inode = inode;
  effect.fields = kFieldMode;
  effect.values.mode = mode;
  return effect;
}
inline Effect set_xattr(InodeId inode, const std::string& name, Bytes sealed) {
  return SetXattr{inode, token_of(name), std::move(sealed)};
}
inline ReadRef read_slot(InodeId directory, const std::string& name) {
  return {ReadKind::kSlot, directory, token_of(name)};
}
inline ReadRef read_inode(InodeId inode) { return {ReadKind::kInode, inode, {}}; }
inline ReadRef read_children(InodeId inode) { return {ReadKind::kChildren, inode, {}}; }

/// A volume with one writer, an owner's device.
class CommitTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    if (HasFatalFailure()) return;
    owner_ = std::make_unique<TestDevice>(add_user("owner"));
    volume_ = add_volume(*owner_);
    writer_ = std::make_unique<TestWriter>(*services_, copy_of(*owner_), volume_);
  }
  static TestDevice copy_of(const TestDevice& d) { return {d.user_name, d.caller, d.key.clone(), d.device}; }
  /// Another device of the owner, with a writer of its own.
  std::unique_ptr<TestWriter> second_writer() {
    return std::make_unique<TestWriter>(*services_, add_device(*owner_), volume_);
  }

  InodeId make_file(const std::string& name, InodeId directory = kRootInode) {
    InodeId inode = writer_->next_inode();
    value_of(writer_->submit({new_inode(inode), link(directory, name, inode)}));
    return inode;
  }
  InodeId make_directory(const std::string& name, InodeId directory = kRootInode) {
    InodeId inode = writer_->next_inode();
    value_of(writer_->submit({new_directory(inode), link(directory, name, inode)}));
    return inode;
  }
  BlockId store_block(const std::string& text) {
    Bytes sealed = to_bytes(text);
    BlockId id;
    id.value = crypto::sha256(sealed).value;
    block::PackWriter pack;
    pack.add_block(id, sealed);
    value_of(services_->blocks().upload_pack(owner_->caller, volume_, pack.take()));
    return id;
  }
  DirectoryPage list(InodeId directory = kRootInode) {
    return value_of(services_->names().directory(owner_->caller, {volume_, directory, {}, 1000, 4096}));
  }
  std::optional<InodeRecord> find(InodeId inode) {
    auto page = value_of(services_->names().inodes(owner_->caller, volume_, {inode}));
    return page.inodes.empty() ? std::optional<InodeRecord>() : page.inodes.front();
  }
  std::vector<std::string> names(InodeId directory = kRootInode) {
    std::vector<std::string> all;
    for (const ListedEntry& entry : list(directory).entries)
      all.push_back(std::string(as_text(entry.sealed_name)).substr(7));
    std::sort(all.begin(), all.end());
    return all;
  }
  protocol::VolumeInfo info() { return ServiceTest::info(*owner_, volume_); }

  std::unique_ptr<TestDevice> owner_;
  VolumeId volume_;
  std::unique_ptr<TestWriter> writer_;
};

}  // namespace skymoor::server
