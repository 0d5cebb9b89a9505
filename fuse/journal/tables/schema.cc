// The schema of metadata.db, step by step. A step is never changed once released: add another one.
#include <array>

#include "fuse/journal/tables/sql_tables.h"

namespace skymoor::client {
namespace {

// Ids are unsigned in the program and signed in SQLite: the bits are the same. Index *_changed finds pending rows.
constexpr std::string_view kFirst = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE inode(id INTEGER PRIMARY KEY, links INTEGER NOT NULL, changed INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX inode_orphan ON inode(id) WHERE links=0;
CREATE INDEX inode_changed ON inode(changed) WHERE changed>0;

CREATE TABLE dentry(directory INTEGER NOT NULL, name BLOB NOT NULL, inode INTEGER NOT NULL, type INTEGER NOT NULL,
                    cookie INTEGER NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY(directory,name)) WITHOUT ROWID;
CREATE INDEX dentry_cookie ON dentry(directory,cookie,inode,type,changed);
CREATE INDEX dentry_inode ON dentry(inode);
CREATE INDEX dentry_changed ON dentry(changed) WHERE changed>0;

CREATE TABLE xattr(inode INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, changed INTEGER NOT NULL,
                   PRIMARY KEY(inode,name)) WITHOUT ROWID;
CREATE INDEX xattr_changed ON xattr(changed) WHERE changed>0;

CREATE TABLE content(inode INTEGER PRIMARY KEY, era INTEGER NOT NULL, dirty_bytes INTEGER NOT NULL,
                     changed INTEGER NOT NULL, valid BLOB NOT NULL, dirty BLOB NOT NULL);
CREATE INDEX content_dirty ON content(dirty_bytes) WHERE dirty_bytes>0;
CREATE INDEX content_changed ON content(changed) WHERE changed>0;
CREATE TABLE manifest(inode INTEGER PRIMARY KEY, writer INTEGER NOT NULL, counter INTEGER NOT NULL,
                      manifest BLOB NOT NULL);

CREATE TABLE base_inode(id INTEGER PRIMARY KEY, present INTEGER NOT NULL, changed INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX base_inode_changed ON base_inode(changed);
CREATE TABLE base_dentry(directory INTEGER NOT NULL, name BLOB NOT NULL, present INTEGER NOT NULL,
                         inode INTEGER NOT NULL, type INTEGER NOT NULL, cookie INTEGER NOT NULL,
                         changed INTEGER NOT NULL, PRIMARY KEY(directory,name)) WITHOUT ROWID;
CREATE INDEX base_dentry_inode ON base_dentry(inode);
CREATE INDEX base_dentry_changed ON base_dentry(changed);
CREATE TABLE base_xattr(inode INTEGER NOT NULL, name BLOB NOT NULL, present INTEGER NOT NULL, value BLOB NOT NULL,
                        changed INTEGER NOT NULL, PRIMARY KEY(inode,name)) WITHOUT ROWID;
CREATE INDEX base_xattr_changed ON base_xattr(changed);
CREATE TABLE base_manifest(inode INTEGER PRIMARY KEY, writer INTEGER NOT NULL, counter INTEGER NOT NULL,
                           manifest BLOB NOT NULL);

CREATE TABLE tombstone(id INTEGER PRIMARY KEY, last INTEGER NOT NULL, body BLOB NOT NULL, directory INTEGER NOT NULL,
                       name BLOB NOT NULL);
CREATE TABLE listing(directory INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
)sql";

constexpr std::array<std::string_view, 1> kSteps{kFirst};

}  // namespace

Status migrate_metadata(sqlite::Database& db) { return sqlite::migrate(db, kSteps); }

}  // namespace skymoor::client
