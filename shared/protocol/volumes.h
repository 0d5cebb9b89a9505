// Messages of /api/volumes/*. Commits, feed pages, listings are binary (shared/model); the rest is JSON.
#pragma once
#include <string>
#include <vector>

#include "shared/protocol/accounts.h"

namespace skymoor::protocol {

enum class VolumeKind : std::uint8_t { kPrivate = 1, kManaged = 2 };  ///< JSON "private", "managed"
enum class Role : std::uint8_t { kReader = 1, kWriter = 2, kOwner = 3 };  ///< JSON "reader", "writer", "owner"

/// GET /api/volumes -> {"volumes":[VolumeInfo]}, GET /api/volumes/ID -> VolumeInfo
struct VolumeInfo {
  VolumeId id;
  VolumeKind kind = VolumeKind::kPrivate;
  Role role = Role::kOwner;
  Epoch epoch{1};
  std::uint32_t key_epoch = 1;
  Bytes sealed_key;         ///< volume key sealed to the asking user
  Bytes sealed_label;       ///< the volume's name, sealed with the volume key (VolumeCipher::seal_name, directory and inode 0)
  Sequence head;
  Hash256 head_hash;
  std::uint64_t inodes = 0;
  std::uint64_t content_bytes = 0;   ///< sum of file sizes
  std::uint64_t stored_bytes = 0;    ///< blocks as stored once
  std::uint64_t quota_bytes = 0;     ///< 0: none
  std::uint64_t free_bytes = 0;      ///< what the server could still store for it
  Timestamp created{};
};

/// POST /api/volumes -> VolumeInfo. Errors: AlreadyExists (id).
struct CreateVolume {
  VolumeId id;              ///< chosen by the client
  VolumeKind kind = VolumeKind::kPrivate;
  std::uint32_t key_epoch = 1;
  Bytes sealed_key;
  Bytes sealed_label;
  std::uint32_t root_uid = 0, root_gid = 0, root_mode = 0755;
};

/// POST /api/volumes/ID/writers -> WriterLease: a new 24-bit prefix for one state directory of one device. With a
/// WriterLease as body: takes that prefix back, which the device held before the server was put back from a backup.
/// Errors: AlreadyExists (another device has it).
struct WriterLease {
  WriterId writer;
};

/// POST /api/volumes/ID/commits (binary SignedCommit) -> CommitReply. The same op id again gives the stored reply.
/// Durability: on reply the commit survives kill -9 and power loss of the server.
/// Errors: Conflict, Resync (epoch, base in the future), BlockMissing, BadSignature, Forbidden, QuotaExceeded,
/// Unprocessable (would break the tree: dead parent, used slot, cycle, second link to a directory, id exists).
struct CommitReply {
  Sequence sequence;
  Hash256 hash;
  Sequence head;            ///< newest sequence, so that the device knows whether to pull
};

/// POST /api/volumes/ID/epochs -> VolumeInfo: the device has seen history that the server does not have, so the server
/// was put back from an older backup: it begins a new epoch (once for all who say so). Errors: BadSignature, Forbidden,
/// InvalidArgument (the server's history is as the device says).
struct BeginEpoch {
  Epoch epoch;              ///< in which the device was
  Sequence sequence;        ///< its cursor
  Hash256 hash;             ///< the chain hash that it knows there
  Bytes signature;          ///< Ed25519 by the device over `ahead_signing_input`
};

/// GET /api/volumes/ID/devices -> {"devices":[DevicePublic]}: who may have signed what the feed holds, revoked ones too.
/// GET /api/volumes/ID/changes?after=SEQ&epoch=E&max_bytes=N -> binary FeedPage. Errors: Resync.
/// GET /api/volumes/ID/directories/INODE?after=CURSOR(base64url)&limit=N&manifests=BYTES -> binary DirectoryPage;
///   manifests up to BYTES long are included. Errors: NotFound, NotDirectory.
/// POST /api/volumes/ID/inodes[?dead=1] (binary: 8-byte ids) -> binary InodePage with manifests. At most 2,000 ids, 8 MiB.
/// GET /api/events?volume=ID&after=SEQ -> text/event-stream; "event: change", "data: {"volume":ID,"sequence":N}" at
///   once for the present head (when it is past SEQ) and then for new ones; a comment line every 4 s.
struct ChangeEvent {
  VolumeId volume;
  Sequence sequence;
};

std::string encode(const VolumeInfo&);
std::string encode(const std::vector<VolumeInfo>&);
std::string encode(const CreateVolume&);
std::string encode(const WriterLease&);
std::string encode(const CommitReply&);
std::string encode(const BeginEpoch&);
std::string encode(const std::vector<DevicePublic>&);
std::string encode(const ChangeEvent&);   ///< the "data:" line's JSON
template <> Result<VolumeInfo> decode(ByteView);
template <> Result<std::vector<VolumeInfo>> decode(ByteView);
template <> Result<CreateVolume> decode(ByteView);
template <> Result<WriterLease> decode(ByteView);
template <> Result<CommitReply> decode(ByteView);
template <> Result<BeginEpoch> decode(ByteView);
template <> Result<std::vector<DevicePublic>> decode(ByteView);
template <> Result<ChangeEvent> decode(ByteView);

}  // namespace skymoor::protocol
