// The SQL text of every prepared statement.
#include "fuse/journal/tables/sql_tables.h"

namespace skymoor::client {

Status SqlTables::prepare() {
  struct {
    sqlite::Statement* statement;
    std::string_view sql;
  } const all[] = {
      {&inode_.get, "SELECT id,changed,body FROM inode WHERE id=?1"},
      {&inode_.put, "INSERT OR REPLACE INTO inode(id,links,changed,body) VALUES(?1,?2,?3,?4)"},
      {&inode_.add, "INSERT OR IGNORE INTO inode(id,links,changed,body) VALUES(?1,?2,?3,?4)"},
      {&inode_.erase, "DELETE FROM inode WHERE id=?1"},
      {&inode_.get_base, "SELECT present,changed,body FROM base_inode WHERE id=?1"},
      {&inode_.put_base, "INSERT OR REPLACE INTO base_inode(id,present,changed,body) VALUES(?1,?2,?3,?4)"},
      {&inode_.erase_base, "DELETE FROM base_inode WHERE id=?1"},
      {&inode_.capture, "INSERT OR IGNORE INTO base_inode(id,present,changed,body) "
                        "SELECT id,1,?3,body FROM inode WHERE id=?1 AND changed<=?2"},
      {&inode_.touch, "UPDATE base_inode SET changed=?2 WHERE id=?1"},

      {&dentry_.get, "SELECT inode,type,cookie,changed FROM dentry WHERE directory=?1 AND name=?2"},
      {&dentry_.put, "INSERT OR REPLACE INTO dentry(directory,name,inode,type,cookie,changed) "
                     "VALUES(?1,?2,?3,?4,?5,?6)"},
      {&dentry_.add, "INSERT OR IGNORE INTO dentry(directory,name,inode,type,cookie,changed) "
                     "VALUES(?1,?2,?3,?4,?5,?6)"},
      {&dentry_.erase, "DELETE FROM dentry WHERE directory=?1 AND name=?2"},
      {&dentry_.get_base, "SELECT present,inode,type,cookie,changed FROM base_dentry WHERE directory=?1 AND name=?2"},
      {&dentry_.put_base, "INSERT OR REPLACE INTO base_dentry(directory,name,present,inode,type,cookie,changed) "
                          "VALUES(?1,?2,?3,?4,?5,?6,?7)"},
      {&dentry_.erase_base, "DELETE FROM base_dentry WHERE directory=?1 AND name=?2"},
      {&dentry_.capture, "INSERT OR IGNORE INTO base_dentry(directory,name,present,inode,type,cookie,changed) "
                         "SELECT directory,name,1,inode,type,cookie,?4 FROM dentry "
                         "WHERE directory=?1 AND name=?2 AND changed<=?3"},
      {&dentry_.touch, "UPDATE base_dentry SET changed=?3 WHERE directory=?1 AND name=?2"},

      {&xattr_.get, "SELECT value,changed FROM xattr WHERE inode=?1 AND name=?2"},
      {&xattr_.put, "INSERT OR REPLACE INTO xattr(inode,name,value,changed) VALUES(?1,?2,?3,?4)"},
      {&xattr_.erase, "DELETE FROM xattr WHERE inode=?1 AND name=?2"},
      {&xattr_.get_base, "SELECT present,value,changed FROM base_xattr WHERE inode=?1 AND name=?2"},
      {&xattr_.put_base, "INSERT OR REPLACE INTO base_xattr(inode,name,present,value,changed) VALUES(?1,?2,?3,?4,?5)"},
      {&xattr_.erase_base, "DELETE FROM base_xattr WHERE inode=?1 AND name=?2"},
      {&xattr_.capture, "INSERT OR IGNORE INTO base_xattr(inode,name,present,value,changed) "
                        "SELECT inode,name,1,value,?4 FROM xattr WHERE inode=?1 AND name=?2 AND changed<=?3"},
      {&xattr_.touch, "UPDATE base_xattr SET changed=?3 WHERE inode=?1 AND name=?2"},
      {&xattr_names_, "SELECT name FROM xattr WHERE inode=?1"},

      {&extents_.get, "SELECT era,changed,valid,dirty FROM content WHERE inode=?1"},
      {&extents_.put, "INSERT OR REPLACE INTO content(inode,era,dirty_bytes,changed,valid,dirty) "
                      "VALUES(?1,?2,?3,?4,?5,?6)"},
      {&extents_.erase, "DELETE FROM content WHERE inode=?1"},
      {&manifest_.get, "SELECT writer,counter,manifest FROM manifest WHERE inode=?1"},
      {&manifest_.put, "INSERT OR REPLACE INTO manifest(inode,writer,counter,manifest) VALUES(?1,?2,?3,?4)"},
      {&manifest_.erase, "DELETE FROM manifest WHERE inode=?1"},
      {&base_manifest_.get, "SELECT writer,counter,manifest FROM base_manifest WHERE inode=?1"},
      {&base_manifest_.put, "INSERT OR REPLACE INTO base_manifest(inode,writer,counter,manifest) VALUES(?1,?2,?3,?4)"},
      {&base_manifest_.erase, "DELETE FROM base_manifest WHERE inode=?1"},
      {&capture_manifest_, "INSERT OR IGNORE INTO base_manifest(inode,writer,counter,manifest) "
                           "SELECT ?1,coalesce(m.writer,0),coalesce(m.counter,0),coalesce(m.manifest,x'') "
                           "FROM (SELECT 1) LEFT JOIN manifest m ON m.inode=?1"},

      {&entries_, "SELECT name,inode,type,cookie,changed FROM dentry WHERE directory=?1 AND cookie>?2 ORDER BY cookie"},
      {&entries_with_inodes_, "SELECT d.name,d.inode,d.type,d.cookie,d.changed,i.id,i.changed,i.body "
                              "FROM dentry d LEFT JOIN inode i ON i.id=d.inode "
                              "WHERE d.directory=?1 AND d.cookie>?2 ORDER BY d.cookie"},
      {&links_, "SELECT directory,name,type,cookie,changed FROM dentry WHERE inode=?1"},

      {&tombstone_.get, "SELECT last,body,directory,name FROM tombstone WHERE id=?1"},
      {&tombstone_.put, "INSERT OR REPLACE INTO tombstone(id,last,body,directory,name) VALUES(?1,?2,?3,?4,?5)"},
      {&tombstone_.erase, "DELETE FROM tombstone WHERE id=?1"},
      {&erase_tombstones_, "DELETE FROM tombstone WHERE last<=?1 AND NOT EXISTS"
                          "(SELECT 1 FROM inode WHERE inode.id=tombstone.id AND links>0)"},
      {&keep_tombstones_, "UPDATE tombstone SET last=?1 WHERE last<?1"},
      {&any_base_, "SELECT EXISTS(SELECT 1 FROM base_inode) OR EXISTS(SELECT 1 FROM base_dentry) OR "
                   "EXISTS(SELECT 1 FROM base_xattr) OR EXISTS(SELECT 1 FROM base_manifest)"},
      {&any_xattr_, "SELECT EXISTS(SELECT 1 FROM xattr)"},
      {&confirmed_names_, "SELECT name FROM base_dentry WHERE directory=?1 AND present=1 UNION ALL "
                          "SELECT d.name FROM dentry d WHERE d.directory=?1 AND d.changed<=?2 AND NOT EXISTS "
                          "(SELECT 1 FROM base_dentry b WHERE b.directory=d.directory AND b.name=d.name)"},
      {&get_meta_, "SELECT value FROM meta WHERE key=?1"},
      {&put_meta_, "INSERT OR REPLACE INTO meta(key,value) VALUES(?1,?2)"},
  };
  for (const auto& one : all) *one.statement = TRY(db_->prepare(one.sql));
  return {};
}

}  // namespace skymoor::client
