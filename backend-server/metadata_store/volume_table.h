// Volumes, members and writers' prefixes.
#pragma once
#include <optional>
#include <vector>

#include "backend-server/metadata_store/account_table.h"
#include "shared/protocol/volumes.h"

namespace skymoor::server {

/// The store's own short name of a volume; never leaves the server.
using VolumeNumber = NumberId<struct VolumeNumberTag>;

/// What changes with every commit.
struct VolumeState {
  Sequence head;
  Hash256 head_hash;
  std::uint64_t inodes = 0;          ///< live
  std::uint64_t content_bytes = 0;   ///< sizes of live files
  std::uint64_t manifest_bytes = 0;  ///< sealed manifests of all versions
  Sequence slot_floor;               ///< vacated slots up to here are forgotten
};

struct VolumeRow {
  VolumeNumber number;
  VolumeId id;
  protocol::VolumeKind kind = protocol::VolumeKind::kPrivate;
  Epoch epoch{1};
  std::uint32_t key_epoch = 1;
  Bytes sealed_label;
  VolumeState state;
  std::uint64_t stored_bytes = 0;    ///< blocks, each once
  std::uint64_t quota_bytes = 0;
  Timestamp created{};
  /// What the quota counts.
  std::uint64_t used_bytes() const { return stored_bytes + state.manifest_bytes; }
};

struct MemberRow {
  UserId user;
  protocol::Role role = protocol::Role::kReader;
  Bytes sealed_key;
  Timestamp created{};
};

struct WriterRow {
  WriterId writer;
  UserId user;
  DeviceId device;
  Timestamp created{};
};

/// A volume as one of its members sees it.
struct MembershipRow {
  VolumeRow volume;
  MemberRow member;
};

class VolumeTable {
 public:
  virtual ~VolumeTable() = default;

  virtual Result<std::optional<VolumeRow>> find(const VolumeId& id) const = 0;
  /// The volume if `user` is a member.
  virtual Result<std::optional<MembershipRow>> find_membership(const VolumeId& id, const UserId& user) const = 0;
  virtual Result<std::vector<MembershipRow>> list_memberships(const UserId& user) const = 0;
  /// Returns its number. Errors: AlreadyExists (id).
  virtual Result<VolumeNumber> insert(const VolumeRow& volume) = 0;
  virtual Status set_state(VolumeNumber volume, const VolumeState& state) = 0;
  virtual Status add_stored_bytes(VolumeNumber volume, std::int64_t bytes) = 0;
  virtual Status set_quota(VolumeNumber volume, std::uint64_t bytes) = 0;
  /// After the store was put back from a backup.
  virtual Status set_epoch(VolumeNumber volume, Epoch epoch) = 0;

  virtual Result<std::vector<MemberRow>> list_members(VolumeNumber volume) const = 0;
  /// Inserts or replaces.
  virtual Status put_member(VolumeNumber volume, const MemberRow& member) = 0;
  virtual Status remove_member(VolumeNumber volume, const UserId& user) = 0;

  virtual Result<std::optional<WriterRow>> find_writer(VolumeNumber volume, WriterId writer) const = 0;
  /// Takes a free prefix, by chance: a store that was put back from a backup does not know which ones it gave out since,
  /// and a prefix given out twice would name two things alike. Errors: QuotaExceeded (none is found).
  virtual Result<WriterId> lease_writer(VolumeNumber volume, const UserId& user, const DeviceId& device,
                                        Timestamp now) = 0;
  /// Errors: AlreadyExists.
  virtual Status insert_writer(VolumeNumber volume, const WriterRow& writer) = 0;
  /// Devices that ever held a prefix of the volume.
  virtual Result<std::vector<protocol::DevicePublic>> list_writing_devices(VolumeNumber volume) const = 0;
};

}  // namespace skymoor::server
