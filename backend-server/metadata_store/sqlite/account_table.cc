#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {
namespace {

#define USER_COLUMNS                                                                                              \
  "id,name,credential_id,record,admin,key_generation,sealing_key,signing_key,password_wrap,recovery_wrap,"        \
  "recovery_verifier,created,disabled"
#define DEVICE_COLUMNS "id,user_id,name,signing_key,sealing_key,created,last_seen,revoked"

UserRow read_user(const Query& q) {
  UserRow user;
  user.id = q.id<UserId>(0);
  user.name = q.text(1);
  user.credential_id = q.blob(2);
  user.record = q.blob(3);
  user.admin = q.flag(4);
  user.keys = {q.u32(5), q.blob(6), q.blob(7), q.blob(8), q.blob(9), q.blob(10)};
  user.created = q.time(11);
  user.disabled = q.flag(12);
  return user;
}

DeviceRow read_device(const Query& q) {
  DeviceRow device;
  device.device = {q.id<DeviceId>(0), q.text(2), q.blob(3), q.blob(4)};
  device.user = q.id<UserId>(1);
  device.created = q.time(5);
  device.last_seen = q.time(6);
  device.revoked = q.flag(7);
  return device;
}

Status found_one(const Connection& connection, const char* what) {
  if (connection.changed_rows() == 0) return Error(Code::kNotFound, std::string("no such ") + what);
  return {};
}

}  // namespace

Result<std::optional<UserRow>> SqliteAccountTable::find_user(const UserId& id) const {
  auto q = TRY(connection_.query("SELECT " USER_COLUMNS " FROM users WHERE id=$1", id));
  if (!TRY(q.step())) return std::optional<UserRow>();
  return std::optional(read_user(q));
}

Result<std::optional<UserRow>> SqliteAccountTable::find_user_by_name(const std::string& name) const {
  auto q = TRY(connection_.query("SELECT " USER_COLUMNS " FROM users WHERE name=$1", name));
  if (!TRY(q.step())) return std::optional<UserRow>();
  return std::optional(read_user(q));
}

Result<std::vector<UserRow>> SqliteAccountTable::list_users(const std::string& after, std::size_t limit) const {
  auto q = TRY(connection_.query("SELECT " USER_COLUMNS " FROM users WHERE name>$1 ORDER BY name LIMIT $2", after,
                                 std::uint64_t{limit}));
  std::vector<UserRow> users;
  while (TRY(q.step())) users.push_back(read_user(q));
  return users;
}

Result<std::uint64_t> SqliteAccountTable::count_users() const {
  auto q = TRY(connection_.query("SELECT COUNT(*) FROM users"));
  TRY(q.step());
  return q.u64(0);
}

Status SqliteAccountTable::insert_user(const UserRow& u) {
  return connection_.run("INSERT INTO users(" USER_COLUMNS ") VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)", u.id,
                         u.name, u.credential_id, u.record, u.admin, u.keys.generation, u.keys.sealing_key,
                         u.keys.signing_key, u.keys.password_wrap, u.keys.recovery_wrap, u.keys.recovery_verifier,
                         u.created, u.disabled);
}

Status SqliteAccountTable::set_admin(const UserId& id, bool admin) {
  TRY(connection_.run("UPDATE users SET admin=$1 WHERE id=$2", admin, id));
  return found_one(connection_, "user");
}

Status SqliteAccountTable::set_disabled(const UserId& id, bool disabled) {
  TRY(connection_.run("UPDATE users SET disabled=$1 WHERE id=$2", disabled, id));
  return found_one(connection_, "user");
}

Result<std::optional<DeviceRow>> SqliteAccountTable::find_device(const DeviceId& id) const {
  auto q = TRY(connection_.query("SELECT " DEVICE_COLUMNS " FROM devices WHERE id=$1", id));
  if (!TRY(q.step())) return std::optional<DeviceRow>();
  return std::optional(read_device(q));
}

Result<std::vector<DeviceRow>> SqliteAccountTable::list_devices(const UserId& user) const {
  auto q = TRY(connection_.query("SELECT " DEVICE_COLUMNS " FROM devices WHERE user_id=$1 ORDER BY created,id", user));
  std::vector<DeviceRow> devices;
  while (TRY(q.step())) devices.push_back(read_device(q));
  return devices;
}

Status SqliteAccountTable::insert_device(const DeviceRow& d) {
  return connection_.run("INSERT INTO devices(" DEVICE_COLUMNS ") VALUES($1,$2,$3,$4,$5,$6,$7,$8)", d.device.id, d.user,
                         d.device.name, d.device.signing_key, d.device.sealing_key, d.created, d.last_seen, d.revoked);
}

Status SqliteAccountTable::touch_device(const DeviceId& id, const std::string& name, Timestamp last_seen) {
  TRY(connection_.run("UPDATE devices SET name=$1,last_seen=$2 WHERE id=$3", name, last_seen, id));
  return found_one(connection_, "device");
}

Status SqliteAccountTable::revoke_device(const DeviceId& id) {
  TRY(connection_.run("UPDATE devices SET revoked=1 WHERE id=$1", id));
  return found_one(connection_, "device");
}

}  // namespace skymoor::server
