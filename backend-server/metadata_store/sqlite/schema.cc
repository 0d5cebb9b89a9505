#include "backend-server/metadata_store/sqlite/schema.h"

namespace skymoor::server {
namespace {

// WITHOUT ROWID: every table is looked up by its key alone, and one tree is half the writes of two.
constexpr std::string_view kStep1 = R"sql(
CREATE TABLE users(
  id BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, credential_id BLOB NOT NULL, record BLOB NOT NULL,
  admin INTEGER NOT NULL, key_generation INTEGER NOT NULL, sealing_key BLOB NOT NULL, signing_key BLOB NOT NULL,
  password_wrap BLOB NOT NULL, recovery_wrap BLOB NOT NULL, recovery_verifier BLOB NOT NULL,
  created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE devices(
  id BLOB NOT NULL PRIMARY KEY, user_id BLOB NOT NULL, name TEXT NOT NULL, signing_key BLOB NOT NULL,
  sealing_key BLOB NOT NULL, created INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  revoked INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX devices_by_user ON devices(user_id, created);
CREATE TABLE sessions(
  id TEXT NOT NULL PRIMARY KEY, user_id BLOB NOT NULL, device_id BLOB NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX sessions_by_device ON sessions(device_id);
CREATE INDEX sessions_by_expiry ON sessions(expires);
CREATE TABLE refresh_tokens(
  hash BLOB NOT NULL PRIMARY KEY, session_id TEXT NOT NULL, issued INTEGER NOT NULL,
  spent INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens(session_id, issued);

CREATE TABLE volumes(
  number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, epoch INTEGER NOT NULL,
  key_epoch INTEGER NOT NULL, sealed_label BLOB NOT NULL, head INTEGER NOT NULL, head_hash BLOB NOT NULL,
  inodes INTEGER NOT NULL, content_bytes INTEGER NOT NULL, manifest_bytes INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, next_writer INTEGER NOT NULL,
  slot_floor INTEGER NOT NULL, created INTEGER NOT NULL);
CREATE TABLE members(
  volume INTEGER NOT NULL, user_id BLOB NOT NULL, role INTEGER NOT NULL, sealed_key BLOB NOT NULL,
  created INTEGER NOT NULL, PRIMARY KEY(volume, user_id)) WITHOUT ROWID;
CREATE INDEX members_by_user ON members(user_id, volume);
CREATE TABLE writers(
  volume INTEGER NOT NULL, writer INTEGER NOT NULL, user_id BLOB NOT NULL, device_id BLOB NOT NULL,
  created INTEGER NOT NULL, PRIMARY KEY(volume, writer)) WITHOUT ROWID;

CREATE TABLE inodes(
  volume INTEGER NOT NULL, inode INTEGER NOT NULL, type INTEGER NOT NULL, mode INTEGER NOT NULL,
  uid INTEGER NOT NULL, gid INTEGER NOT NULL, rdev INTEGER NOT NULL, size INTEGER NOT NULL,
  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, btime INTEGER NOT NULL,
  links INTEGER NOT NULL, parent INTEGER NOT NULL, target BLOB NOT NULL, content_version INTEGER NOT NULL,
  content_writer INTEGER NOT NULL, content_counter INTEGER NOT NULL, manifest_bytes INTEGER NOT NULL,
  xattrs INTEGER NOT NULL, checked INTEGER NOT NULL, children INTEGER NOT NULL, touched INTEGER NOT NULL,
  PRIMARY KEY(volume, inode)) WITHOUT ROWID;
CREATE TABLE dentries(
  volume INTEGER NOT NULL, directory INTEGER NOT NULL, token BLOB NOT NULL, name BLOB NOT NULL,
  inode INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY(volume, directory, token)) WITHOUT ROWID;
CREATE TABLE vacated_slots(
  volume INTEGER NOT NULL, directory INTEGER NOT NULL, token BLOB NOT NULL, sequence INTEGER NOT NULL,
  PRIMARY KEY(volume, directory, token)) WITHOUT ROWID;
CREATE INDEX vacated_slots_by_sequence ON vacated_slots(volume, sequence);
CREATE TABLE versions(
  volume INTEGER NOT NULL, inode INTEGER NOT NULL, sequence INTEGER NOT NULL, content_writer INTEGER NOT NULL,
  content_counter INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, stored INTEGER NOT NULL,
  blocks BLOB NOT NULL, manifest BLOB NOT NULL, PRIMARY KEY(volume, inode, sequence)) WITHOUT ROWID;
CREATE TABLE xattrs(
  volume INTEGER NOT NULL, inode INTEGER NOT NULL, token BLOB NOT NULL, sequence INTEGER NOT NULL,
  sealed BLOB NOT NULL, PRIMARY KEY(volume, inode, token)) WITHOUT ROWID;
CREATE TABLE trash(
  volume INTEGER NOT NULL, inode INTEGER NOT NULL, directory INTEGER NOT NULL, token BLOB NOT NULL,
  name BLOB NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY(volume, inode)) WITHOUT ROWID;

CREATE TABLE changes(
  volume INTEGER NOT NULL, sequence INTEGER NOT NULL, hash BLOB NOT NULL, device_id BLOB NOT NULL,
  applied INTEGER NOT NULL, signature BLOB NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY(volume, sequence)) WITHOUT ROWID;
CREATE TABLE operations(
  volume INTEGER NOT NULL, writer INTEGER NOT NULL, counter INTEGER NOT NULL, sequence INTEGER NOT NULL,
  hash BLOB NOT NULL, payload_hash BLOB NOT NULL, PRIMARY KEY(volume, writer, counter)) WITHOUT ROWID;

CREATE TABLE blocks(
  volume INTEGER NOT NULL, id BLOB NOT NULL, stored_bytes INTEGER NOT NULL, refs INTEGER NOT NULL,
  first_stored INTEGER NOT NULL, PRIMARY KEY(volume, id)) WITHOUT ROWID;
)sql";

constexpr std::string_view kStep2 = "ALTER TABLE users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;";

// What was deleted from a directory, or under one name, without a look at all that ever was deleted.
constexpr std::string_view kStep3 =
    "CREATE INDEX trash_by_place ON trash(volume, directory, token, sequence DESC, inode DESC);";

constexpr std::string_view kSteps[] = {kStep1, kStep2, kStep3};

}  // namespace

std::span<const std::string_view> metadata_migrations() { return kSteps; }

}  // namespace skymoor::server
