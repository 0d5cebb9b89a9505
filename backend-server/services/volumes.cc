#include "backend-server/services/volumes.h"

#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "shared/base/log.h"
#include "shared/crypto/signature.h"
#include "shared/model/change.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxSealedKeyBytes = 1024;
constexpr std::uint32_t kMaxEpochsAtOnce = 1000;   // nobody can use them up by one false statement

Status check_request(const protocol::CreateVolume& request) {
  auto wrong = [](const char* what) { return Error(Code::kInvalidArgument, what); };
  if (request.id.is_zero()) return wrong("the volume id is missing");
  if (request.kind != protocol::VolumeKind::kPrivate)
    return Error(Code::kNotSupported, "this server offers private volumes only");
  if (request.key_epoch == 0) return wrong("key epochs start at 1");
  if (request.sealed_key.empty() || request.sealed_key.size() > kMaxSealedKeyBytes)
    return wrong("the sealed volume key has 1 to 1024 bytes");
  if (request.sealed_label.size() > kMaxSealedNameBytes) return wrong("the volume's label is too long");
  if (request.root_mode > 07777) return wrong("the root's mode has bits beyond 07777");
  return {};
}

InodeRow root_of(const protocol::CreateVolume& request, Timestamp now) {
  InodeRow root;
  root.inode = kRootInode;
  root.attributes.type = FileType::kDirectory;
  root.attributes.mode = request.root_mode;
  root.attributes.uid = request.root_uid;
  root.attributes.gid = request.root_gid;
  root.attributes.atime = root.attributes.mtime = root.attributes.ctime = root.attributes.btime = now;
  return root;
}

}  // namespace

VolumeService::VolumeService(Options options, MetadataStore& store, const Clock& clock)
    : options_(std::move(options)), store_(store), clock_(clock) {}

protocol::VolumeInfo VolumeService::describe(const VolumeAccess& access, Bytes sealed_key) const {
  const VolumeRow& row = access.volume;
  protocol::VolumeInfo info;
  info.id = row.id;
  info.kind = row.kind;
  info.role = access.role;
  info.epoch = row.epoch;
  info.key_epoch = row.key_epoch;
  info.sealed_key = std::move(sealed_key);
  info.sealed_label = row.sealed_label;
  info.head = row.state.head;
  info.head_hash = row.state.head_hash;
  info.inodes = row.state.inodes;
  info.content_bytes = row.state.content_bytes;
  info.stored_bytes = row.stored_bytes;
  info.quota_bytes = row.quota_bytes;
  info.free_bytes = options_.free_bytes ? options_.free_bytes() : 0;
  if (row.quota_bytes > 0) {
    std::uint64_t used = row.used_bytes();
    info.free_bytes = std::min(info.free_bytes, row.quota_bytes > used ? row.quota_bytes - used : 0);
  }
  info.created = row.created;
  return info;
}

Result<protocol::VolumeInfo> VolumeService::create(const Caller& caller, const protocol::CreateVolume& request) {
  TRY(check_request(request));
  Timestamp now = clock_.now();
  VolumeRow volume;
  volume.id = request.id;
  volume.kind = request.kind;
  volume.key_epoch = request.key_epoch;
  volume.sealed_label = request.sealed_label;
  volume.quota_bytes = options_.default_quota_bytes;
  volume.state.inodes = 1;
  volume.created = now;
  Status done = store_.update([&](Tables& tables) -> Status {
    if (TRY(tables.volumes.find(volume.id))) return Error(Code::kAlreadyExists, "the volume id is taken");
    if (TRY(tables.volumes.list_memberships(caller.user)).size() >= options_.max_volumes_per_user)
      return Error(Code::kQuotaExceeded, "the account has too many volumes");
    volume.number = TRY(tables.volumes.insert(volume));
    TRY(tables.volumes.put_member(volume.number, {caller.user, protocol::Role::kOwner, request.sealed_key, now}));
    return tables.names.insert_inode(volume.number, root_of(request, now));
  });
  if (!done.ok()) return std::move(done).error();
  log_info("volume.created", {{"volume", volume.id.hex()}, {"user", caller.user.hex()}});
  return describe({std::move(volume), protocol::Role::kOwner}, request.sealed_key);
}

Result<std::vector<protocol::VolumeInfo>> VolumeService::list(const Caller& caller) {
  auto rows = read_from(store_, [&](const ReadTables& t) { return t.volumes.list_memberships(caller.user); });
  if (!rows.ok()) return std::move(rows).error();
  std::vector<protocol::VolumeInfo> infos;
  for (MembershipRow& row : *rows)
    infos.push_back(describe({std::move(row.volume), row.member.role}, std::move(row.member.sealed_key)));
  return infos;
}

Result<protocol::VolumeInfo> VolumeService::info(const Caller& caller, const VolumeId& volume) {
  auto found = read_from(store_, [&](const ReadTables& t) { return t.volumes.find_membership(volume, caller.user); });
  if (!found.ok()) return std::move(found).error();
  if (!*found) return Error(Code::kNotFound, "no such volume");
  MembershipRow& row = **found;
  return describe({std::move(row.volume), row.member.role}, std::move(row.member.sealed_key));
}

Result<protocol::WriterLease> VolumeService::lease_writer(const Caller& caller, const VolumeId& volume) {
  return update_in(store_, [&](Tables& tables) -> Result<protocol::WriterLease> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kWriter));
    return protocol::WriterLease{
        TRY(tables.volumes.lease_writer(access.volume.number, caller.user, caller.device, clock_.now()))};
  });
}

Result<protocol::WriterLease> VolumeService::claim_writer(const Caller& caller, const VolumeId& volume, WriterId writer) {
  if (!writer) return Error(Code::kInvalidArgument, "writer: no prefix");
  return update_in(store_, [&](Tables& tables) -> Result<protocol::WriterLease> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kWriter));
    auto known = TRY(tables.volumes.find_writer(access.volume.number, writer));
    if (known && known->device != caller.device) return Error(Code::kAlreadyExists, "the prefix is another device's");
    if (!known)
      TRY(tables.volumes.insert_writer(access.volume.number, {writer, caller.user, caller.device, clock_.now()}));
    return protocol::WriterLease{writer};
  });
}

namespace {

/// Whether the volume's history lacks what the device has seen of it. Errors: those of the store.
Result<bool> lacks(const Tables& tables, const VolumeRow& volume, const protocol::BeginEpoch& request) {
  if (request.epoch > volume.epoch) return true;
  if (request.epoch < volume.epoch) return false;
  if (request.sequence > volume.state.head) return true;
  auto hash = tables.changes.hash_at(volume.number, request.sequence);
  if (!hash.ok() && hash.error().code() != Code::kNotFound) return std::move(hash).error();
  return !hash.ok() || *hash != request.hash;
}

Status check_ahead(const Tables& tables, const Caller& caller, const VolumeId& volume,
                   const protocol::BeginEpoch& request) {
  const crypto::PublicKey key = TRY(require_signing_key(tables.accounts, caller));
  const Bytes said = ahead_signing_input(volume, request.epoch, request.sequence, request.hash);
  if (!crypto::ed25519_verify(key, said, request.signature))
    return Error(Code::kBadSignature, "the statement's signature is not its device's");
  return {};
}

}  // namespace

Result<protocol::VolumeInfo> VolumeService::begin_epoch(const Caller& caller, const VolumeId& volume,
                                                        const protocol::BeginEpoch& request) {
  Epoch begun;
  auto done = update_in(store_, [&](Tables& tables) -> Result<bool> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kWriter));
    TRY(check_ahead(tables, caller, volume, request));
    const VolumeRow& row = access.volume;
    if (request.epoch.value > row.epoch.value + kMaxEpochsAtOnce)
      return Error(Code::kInvalidArgument, "epoch: too far ahead of this server's");
    if (!TRY(lacks(tables, row, request))) {
      if (request.epoch == row.epoch) return Error(Code::kInvalidArgument, "the volume's history is as the device says");
      return false;
    }
    begun = Epoch{std::max(row.epoch.value, request.epoch.value) + 1};
    TRY(tables.volumes.set_epoch(row.number, begun));
    return true;
  });
  if (!done.ok()) return std::move(done).error();
  if (*done)
    log_warn("volume.epoch_begun", {{"volume", volume.hex()},
                                    {"epoch", begun.value},
                                    {"device", caller.device.hex()},
                                    {"device_cursor", request.sequence.value}});
  return info(caller, volume);
}

Result<std::vector<protocol::DevicePublic>> VolumeService::devices(const Caller& caller, const VolumeId& volume) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<protocol::DevicePublic>> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    return tables.volumes.list_writing_devices(access.volume.number);
  });
}

Result<std::vector<Member>> VolumeService::members(const Caller& caller, const VolumeId& volume) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<Member>> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    std::vector<Member> members;
    for (const MemberRow& row : TRY(tables.volumes.list_members(access.volume.number))) {
      auto user = TRY(tables.accounts.find_user(row.user));
      members.push_back({row.user, user ? user->name : std::string(), row.role});
    }
    return members;
  });
}

}  // namespace skymoor::server
