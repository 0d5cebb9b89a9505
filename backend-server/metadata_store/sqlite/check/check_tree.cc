// The tree of every volume: what a commit must leave behind, looked at as a whole.
#include "backend-server/metadata_store/sqlite/check/checker.h"

namespace skymoor::server {
namespace {

#define VOLUME_NAME "(SELECT lower(hex(v.id)) FROM volumes v WHERE v.number="

/// A finding for every row of a query that gives (volume's id, number of an inode).
Status find_each(CheckContext& context, const char* sql, const std::string& what, bool repairable = false) {
  auto q = TRY(context.connection.query(sql));
  while (TRY(q.step()))
    context.find("volume " + q.text(0) + ": inode " + std::to_string(q.u64(1)) + " " + what, repairable);
  return {};
}

Status count_rows(CheckContext& context) {
  auto q = TRY(context.connection.query("SELECT (SELECT COUNT(*) FROM volumes),(SELECT COUNT(*) FROM inodes)"));
  TRY(q.step());
  context.report.volumes = q.u64(0);
  context.report.inodes = q.u64(1);
  return {};
}

Status check_names(CheckContext& context) {
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "d.volume),d.inode FROM dentries d LEFT JOIN inodes i ON i.volume=d.volume AND"
                " i.inode=d.inode WHERE i.inode IS NULL",
                "has a name but is not there"));
  TRY(find_each(context,
                "SELECT DISTINCT " VOLUME_NAME "d.volume),d.directory FROM dentries d LEFT JOIN inodes i ON i.volume=d.volume"
                " AND i.inode=d.directory WHERE i.inode IS NULL OR i.type<>2",
                "holds names but is no directory"));
  TRY(find_each(context,
                "SELECT DISTINCT " VOLUME_NAME "d.volume),d.directory FROM dentries d JOIN inodes i ON i.volume=d.volume AND"
                " i.inode=d.directory WHERE i.type=2 AND i.links=0 AND i.inode<>1",
                "is a deleted directory that still holds names"));
  return find_each(context,
                   "SELECT lower(hex(v.id)),1 FROM volumes v LEFT JOIN inodes i ON i.volume=v.number AND i.inode=1"
                   " WHERE i.inode IS NULL OR i.type<>2",
                   "is not the root directory that it must be");
}

/// Links are the names that an inode has. One that has none, though it should, is left: it may be what a row that went
/// missing named, and nothing here knows where.
Status check_links(CheckContext& context) {
  TRY(context.connection.database().execute(
      "DROP TABLE IF EXISTS temp.names; CREATE TEMP TABLE names(volume,inode,n,PRIMARY KEY(volume,inode)) WITHOUT ROWID;"
      "INSERT INTO temp.names SELECT volume,inode,COUNT(*) FROM dentries GROUP BY volume,inode"));
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i JOIN temp.names n ON n.volume=i.volume AND"
                " n.inode=i.inode WHERE i.links<>n.n AND i.inode<>1",
                "does not count its names right", true));
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i LEFT JOIN temp.names n ON n.volume=i.volume AND"
                " n.inode=i.inode WHERE i.links<>0 AND n.n IS NULL AND i.inode<>1",
                "counts names but has none: it cannot be reached"));
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i JOIN temp.names n ON n.volume=i.volume AND"
                " n.inode=i.inode WHERE i.type=2 AND n.n>1",
                "is a directory with several names"));
  if (!context.repair) return {};
  return context.connection.database().execute(
      "UPDATE inodes SET links=(SELECT n FROM temp.names n WHERE n.volume=inodes.volume AND n.inode=inodes.inode)"
      " WHERE inode<>1 AND EXISTS(SELECT 1 FROM temp.names n WHERE n.volume=inodes.volume AND n.inode=inodes.inode"
      " AND n.n<>inodes.links)");
}

/// Every live directory leads up to the root, by names and by parents alike.
Status check_reach(CheckContext& context) {
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i JOIN dentries d ON d.volume=i.volume AND"
                " d.inode=i.inode WHERE i.type=2 AND i.parent<>d.directory",
                "has another parent than its name says", true));
  if (context.repair)
    TRY(context.connection.database().execute(
        "UPDATE inodes SET parent=d.directory FROM dentries d WHERE inodes.type=2 AND d.volume=inodes.volume AND"
        " d.inode=inodes.inode AND inodes.parent<>d.directory AND (SELECT n FROM temp.names n WHERE n.volume=inodes.volume"
        " AND n.inode=inodes.inode)=1"));
  TRY(context.connection.database().execute(
      "DROP TABLE IF EXISTS temp.reached; CREATE TEMP TABLE reached(volume,inode,PRIMARY KEY(volume,inode)) WITHOUT ROWID;"
      "INSERT INTO temp.reached WITH RECURSIVE r(volume,inode) AS (SELECT number,1 FROM volumes UNION"
      " SELECT d.volume,d.inode FROM r JOIN dentries d ON d.volume=r.volume AND d.directory=r.inode"
      " JOIN inodes i ON i.volume=d.volume AND i.inode=d.inode WHERE i.type=2) SELECT volume,inode FROM r"));
  return find_each(context,
                   "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i LEFT JOIN temp.reached r ON r.volume=i.volume AND"
                   " r.inode=i.inode WHERE i.type=2 AND i.links>0 AND r.inode IS NULL",
                   "is a directory that the root does not lead to");
}

Status check_xattrs_and_trash(CheckContext& context) {
  TRY(find_each(context,
                "SELECT " VOLUME_NAME "i.volume),i.inode FROM inodes i WHERE i.xattrs<>(SELECT COUNT(*) FROM xattrs x WHERE"
                " x.volume=i.volume AND x.inode=i.inode)",
                "does not count its attributes right", true));
  if (context.repair)
    TRY(context.connection.database().execute(
        "UPDATE inodes SET xattrs=(SELECT COUNT(*) FROM xattrs x WHERE x.volume=inodes.volume AND x.inode=inodes.inode)"
        " WHERE xattrs<>(SELECT COUNT(*) FROM xattrs x WHERE x.volume=inodes.volume AND x.inode=inodes.inode)"));
  TRY(find_each(context,
                "SELECT DISTINCT " VOLUME_NAME "x.volume),x.inode FROM xattrs x LEFT JOIN inodes i ON i.volume=x.volume AND"
                " i.inode=x.inode WHERE i.inode IS NULL",
                "has attributes but is not there"));
  return find_each(context,
                   "SELECT " VOLUME_NAME "t.volume),t.inode FROM trash t LEFT JOIN inodes i ON i.volume=t.volume AND"
                   " i.inode=t.inode WHERE i.inode IS NULL OR i.links>0",
                   "is in the trash but not deleted");
}

}  // namespace

Status check_tree(CheckContext& context) {
  TRY(count_rows(context));
  TRY(check_names(context));
  TRY(check_links(context));
  TRY(check_reach(context));
  return check_xattrs_and_trash(context);
}

}  // namespace skymoor::server
