#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {
namespace {

constexpr std::uint32_t kWriters = (1u << 24) - 1;   // prefixes: 1 to this
constexpr int kLeaseAttempts = 64;

#define VOLUME_COLUMNS                                                                                              \
  "v.number,v.id,v.kind,v.epoch,v.key_epoch,v.sealed_label,v.head,v.head_hash,v.inodes,v.content_bytes,"            \
  "v.manifest_bytes,v.stored_bytes,v.quota_bytes,v.slot_floor,v.created"
constexpr int kAfterVolume = 15;
#define MEMBERSHIP_QUERY                                                          \
  "SELECT " VOLUME_COLUMNS ",m.user_id,m.role,m.sealed_key,m.created FROM volumes v" \
  " JOIN members m ON m.volume=v.number WHERE "

VolumeRow read_volume(const Query& q) {
  VolumeRow v;
  v.number = q.number<VolumeNumber>(0);
  v.id = q.id<VolumeId>(1);
  v.kind = static_cast<protocol::VolumeKind>(q.i64(2));
  v.epoch = q.number<Epoch>(3);
  v.key_epoch = q.u32(4);
  v.sealed_label = q.blob(5);
  v.state = {q.number<Sequence>(6), q.id<Hash256>(7), q.u64(8), q.u64(9), q.u64(10), q.number<Sequence>(13)};
  v.stored_bytes = q.u64(11);
  v.quota_bytes = q.u64(12);
  v.created = q.time(14);
  return v;
}

MemberRow read_member(const Query& q, int at) {
  return {q.id<UserId>(at), static_cast<protocol::Role>(q.i64(at + 1)), q.blob(at + 2), q.time(at + 3)};
}

}  // namespace

Result<std::optional<VolumeRow>> SqliteVolumeTable::find(const VolumeId& id) const {
  auto q = TRY(connection_.query("SELECT " VOLUME_COLUMNS " FROM volumes v WHERE v.id=$1", id));
  if (!TRY(q.step())) return std::optional<VolumeRow>();
  return std::optional(read_volume(q));
}

Result<std::optional<MembershipRow>> SqliteVolumeTable::find_membership(const VolumeId& id, const UserId& user) const {
  auto q = TRY(connection_.query(MEMBERSHIP_QUERY "v.id=$1 AND m.user_id=$2", id, user));
  if (!TRY(q.step())) return std::optional<MembershipRow>();
  return std::optional(MembershipRow{read_volume(q), read_member(q, kAfterVolume)});
}

Result<std::vector<MembershipRow>> SqliteVolumeTable::list_memberships(const UserId& user) const {
  auto q = TRY(connection_.query(MEMBERSHIP_QUERY "m.user_id=$1 ORDER BY v.number", user));
  std::vector<MembershipRow> rows;
  while (TRY(q.step())) rows.push_back({read_volume(q), read_member(q, kAfterVolume)});
  return rows;
}

Result<VolumeNumber> SqliteVolumeTable::insert(const VolumeRow& v) {
  auto q = TRY(connection_.query(
      "INSERT INTO volumes(id,kind,epoch,key_epoch,sealed_label,head,head_hash,inodes,content_bytes,manifest_bytes,"
      "stored_bytes,quota_bytes,next_writer,slot_floor,created)"
      " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,0,$13,$14) RETURNING number",
      v.id, static_cast<int>(v.kind), v.epoch, v.key_epoch, v.sealed_label, v.state.head, v.state.head_hash,
      v.state.inodes, v.state.content_bytes, v.state.manifest_bytes, v.stored_bytes, v.quota_bytes,
      v.state.slot_floor, v.created));
  if (!TRY(q.step())) return Error(Code::kInternal, "a volume was not inserted");
  return q.number<VolumeNumber>(0);
}

Status SqliteVolumeTable::set_state(VolumeNumber volume, const VolumeState& s) {
  return connection_.run(
      "UPDATE volumes SET head=$1,head_hash=$2,inodes=$3,content_bytes=$4,manifest_bytes=$5,slot_floor=$6"
      " WHERE number=$7",
      s.head, s.head_hash, s.inodes, s.content_bytes, s.manifest_bytes, s.slot_floor, volume);
}

Status SqliteVolumeTable::add_stored_bytes(VolumeNumber volume, std::int64_t bytes) {
  return connection_.run("UPDATE volumes SET stored_bytes=stored_bytes+$1 WHERE number=$2", bytes, volume);
}

Status SqliteVolumeTable::set_quota(VolumeNumber volume, std::uint64_t bytes) {
  return connection_.run("UPDATE volumes SET quota_bytes=$1 WHERE number=$2", bytes, volume);
}

Status SqliteVolumeTable::set_epoch(VolumeNumber volume, Epoch epoch) {
  return connection_.run("UPDATE volumes SET epoch=$1 WHERE number=$2", epoch, volume);
}

Result<std::vector<MemberRow>> SqliteVolumeTable::list_members(VolumeNumber volume) const {
  auto q = TRY(connection_.query(
      "SELECT user_id,role,sealed_key,created FROM members WHERE volume=$1 ORDER BY created,user_id", volume));
  std::vector<MemberRow> rows;
  while (TRY(q.step())) rows.push_back(read_member(q, 0));
  return rows;
}

Status SqliteVolumeTable::put_member(VolumeNumber volume, const MemberRow& m) {
  return connection_.run(
      "INSERT INTO members(volume,user_id,role,sealed_key,created) VALUES($1,$2,$3,$4,$5)"
      " ON CONFLICT(volume,user_id) DO UPDATE SET role=excluded.role,sealed_key=excluded.sealed_key",
      volume, m.user, static_cast<int>(m.role), m.sealed_key, m.created);
}

Status SqliteVolumeTable::remove_member(VolumeNumber volume, const UserId& user) {
  return connection_.run("DELETE FROM members WHERE volume=$1 AND user_id=$2", volume, user);
}

Result<std::optional<WriterRow>> SqliteVolumeTable::find_writer(VolumeNumber volume, WriterId writer) const {
  auto q = TRY(connection_.query("SELECT user_id,device_id,created FROM writers WHERE volume=$1 AND writer=$2", volume,
                                 writer));
  if (!TRY(q.step())) return std::optional<WriterRow>();
  return std::optional(WriterRow{writer, q.id<UserId>(0), q.id<DeviceId>(1), q.time(2)});
}

Result<WriterId> SqliteVolumeTable::lease_writer(VolumeNumber volume, const UserId& user, const DeviceId& device,
                                                 Timestamp now) {
  for (int attempt = 0; attempt < kLeaseAttempts; ++attempt) {
    auto q = TRY(connection_.query(
        "INSERT INTO writers(volume,writer,user_id,device_id,created) VALUES($1,1+abs(random()%$2),$3,$4,$5)"
        " ON CONFLICT DO NOTHING RETURNING writer",
        volume, kWriters, user, device, now));
    if (!TRY(q.step())) continue;
    const WriterId writer = q.number<WriterId>(0);
    TRY(q.run());
    return writer;
  }
  return Error(Code::kQuotaExceeded, "the volume has hardly any writer prefixes left");
}

Status SqliteVolumeTable::insert_writer(VolumeNumber volume, const WriterRow& w) {
  return connection_.run("INSERT INTO writers(volume,writer,user_id,device_id,created) VALUES($1,$2,$3,$4,$5)", volume,
                         w.writer, w.user, w.device, w.created);
}

Result<std::vector<protocol::DevicePublic>> SqliteVolumeTable::list_writing_devices(VolumeNumber volume) const {
  auto q = TRY(connection_.query(
      "SELECT d.id,d.name,d.signing_key,d.sealing_key FROM devices d"
      " WHERE d.id IN (SELECT device_id FROM writers WHERE volume=$1) ORDER BY d.id",
      volume));
  std::vector<protocol::DevicePublic> devices;
  while (TRY(q.step())) devices.push_back({q.id<DeviceId>(0), q.text(1), q.blob(2), q.blob(3)});
  return devices;
}

}  // namespace skymoor::server
