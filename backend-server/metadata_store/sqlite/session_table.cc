#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {

Result<std::optional<SessionRow>> SqliteSessionTable::find_session(const std::string& id) const {
  auto q = TRY(connection_.query("SELECT user_id,device_id,created,expires,revoked FROM sessions WHERE id=$1", id));
  if (!TRY(q.step())) return std::optional<SessionRow>();
  return std::optional(SessionRow{id, q.id<UserId>(0), q.id<DeviceId>(1), q.time(2), q.time(3), q.flag(4)});
}

Status SqliteSessionTable::insert_session(const SessionRow& s) {
  return connection_.run(
      "INSERT INTO sessions(id,user_id,device_id,created,expires,revoked) VALUES($1,$2,$3,$4,$5,$6)", s.id, s.user,
      s.device, s.created, s.expires, s.revoked);
}

Status SqliteSessionTable::extend_session(const std::string& id, Timestamp expires) {
  return connection_.run("UPDATE sessions SET expires=$1 WHERE id=$2", expires, id);
}

Status SqliteSessionTable::revoke_session(const std::string& id) {
  return connection_.run("UPDATE sessions SET revoked=1 WHERE id=$1", id);
}

Status SqliteSessionTable::revoke_sessions_of(const DeviceId& device) {
  return connection_.run("UPDATE sessions SET revoked=1 WHERE device_id=$1", device);
}

Status SqliteSessionTable::drop_expired(Timestamp before) {
  TRY(connection_.run(
      "DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE expires<$1)", before));
  return connection_.run("DELETE FROM sessions WHERE expires<$1", before);
}

Result<std::optional<RefreshTokenRow>> SqliteSessionTable::find_token(const Hash256& hash) const {
  auto q = TRY(connection_.query("SELECT session_id,issued,spent FROM refresh_tokens WHERE hash=$1", hash));
  if (!TRY(q.step())) return std::optional<RefreshTokenRow>();
  return std::optional(RefreshTokenRow{hash, q.text(0), q.time(1), q.time(2)});
}

Status SqliteSessionTable::insert_token(const RefreshTokenRow& t) {
  return connection_.run("INSERT INTO refresh_tokens(hash,session_id,issued,spent) VALUES($1,$2,$3,$4)", t.hash,
                         t.session, t.issued, t.spent);
}

Status SqliteSessionTable::spend_token(const Hash256& hash, Timestamp now) {
  return connection_.run("UPDATE refresh_tokens SET spent=$1 WHERE hash=$2", now, hash);
}

Status SqliteSessionTable::drop_spent(const std::string& session, Timestamp before) {
  return connection_.run("DELETE FROM refresh_tokens WHERE session_id=$1 AND issued<$2 AND spent<>0", session, before);
}

}  // namespace skymoor::server
