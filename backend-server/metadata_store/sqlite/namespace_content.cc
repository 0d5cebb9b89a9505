// Content versions, xattrs and trash.
#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {

Result<Bytes> SqliteNamespaceTable::find_manifest(VolumeNumber volume, InodeId inode, Sequence version) const {
  auto q = TRY(connection_.query("SELECT manifest FROM versions WHERE volume=$1 AND inode=$2 AND sequence=$3", volume,
                                 inode, version));
  if (!TRY(q.step())) return Error(Code::kNotFound, "no such version");
  return q.blob(0);
}

Status SqliteNamespaceTable::insert_version(VolumeNumber volume, const VersionRow& v) {
  return connection_.run(
      "INSERT INTO versions(volume,inode,sequence,content_writer,content_counter,size,mtime,stored,blocks,manifest)"
      " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
      volume, v.inode, v.sequence, v.content.writer, v.content.counter, v.size, v.mtime, v.stored, v.block_ids,
      v.sealed_manifest);
}

Result<std::vector<VersionRow>> SqliteNamespaceTable::list_versions(VolumeNumber volume, InodeId inode) const {
  auto q = TRY(connection_.query(
      "SELECT sequence,content_writer,content_counter,size,mtime,manifest,blocks,stored FROM versions"
      " WHERE volume=$1 AND inode=$2 ORDER BY sequence",
      volume, inode));
  std::vector<VersionRow> versions;
  while (TRY(q.step()))
    versions.push_back({inode, q.number<Sequence>(0), OpId{q.number<WriterId>(1), q.u64(2)}, q.u64(3), q.time(4),
                        q.blob(5), q.blob(6), q.time(7)});
  return versions;
}

Result<std::vector<VersionSummaryRow>> SqliteNamespaceTable::list_version_summaries(VolumeNumber volume, InodeId inode,
                                                                                    Sequence before,
                                                                                    std::size_t limit) const {
  // Sequences stay far below the signed maximum, which stands for "all".
  const Sequence bound = before ? before : Sequence{INT64_MAX};
  auto q = TRY(connection_.query(
      "SELECT v.sequence,v.content_writer,v.content_counter,v.size,v.mtime,v.stored,w.device_id FROM versions v"
      " LEFT JOIN writers w ON w.volume=v.volume AND w.writer=v.content_writer"
      " WHERE v.volume=$1 AND v.inode=$2 AND v.sequence<$3 ORDER BY v.sequence DESC LIMIT $4",
      volume, inode, bound, std::uint64_t{limit}));
  std::vector<VersionSummaryRow> rows;
  while (TRY(q.step()))
    rows.push_back({q.number<Sequence>(0), OpId{q.number<WriterId>(1), q.u64(2)}, q.id<DeviceId>(6), q.u64(3),
                    q.time(4), q.time(5)});
  return rows;
}

Result<std::vector<SetXattr>> SqliteNamespaceTable::list_xattrs(VolumeNumber volume, InodeId inode) const {
  auto q = TRY(connection_.query("SELECT token,sealed FROM xattrs WHERE volume=$1 AND inode=$2 ORDER BY token", volume,
                                 inode));
  std::vector<SetXattr> xattrs;
  while (TRY(q.step())) xattrs.push_back({inode, q.id<NameToken>(0), q.blob(1)});
  return xattrs;
}

Result<bool> SqliteNamespaceTable::has_xattr(VolumeNumber volume, InodeId inode, const NameToken& token) const {
  auto q = TRY(connection_.query("SELECT 1 FROM xattrs WHERE volume=$1 AND inode=$2 AND token=$3", volume, inode,
                                 token));
  return q.step();
}

Result<std::uint64_t> SqliteNamespaceTable::xattrs_bytes(VolumeNumber volume, InodeId inode) const {
  auto q = TRY(connection_.query("SELECT IFNULL(SUM(LENGTH(sealed)),0) FROM xattrs WHERE volume=$1 AND inode=$2", volume, inode));
  TRY(q.step());
  return q.u64(0);
}

Status SqliteNamespaceTable::put_xattr(VolumeNumber volume, const SetXattr& x, Sequence sequence) {
  if (x.sealed.empty())
    return connection_.run("DELETE FROM xattrs WHERE volume=$1 AND inode=$2 AND token=$3", volume, x.inode, x.token);
  return connection_.run(
      "INSERT INTO xattrs(volume,inode,token,sequence,sealed) VALUES($1,$2,$3,$4,$5)"
      " ON CONFLICT(volume,inode,token) DO UPDATE SET sequence=excluded.sequence,sealed=excluded.sealed",
      volume, x.inode, x.token, sequence, x.sealed);
}

Result<std::optional<TrashRow>> SqliteNamespaceTable::find_trash(VolumeNumber volume, InodeId inode) const {
  auto q = TRY(connection_.query(
      "SELECT directory,token,name,sequence,time FROM trash WHERE volume=$1 AND inode=$2", volume, inode));
  if (!TRY(q.step())) return std::optional<TrashRow>();
  return std::optional(TrashRow{inode, q.number<InodeId>(0), q.id<NameToken>(1), q.blob(2), q.number<Sequence>(3),
                                q.time(4)});
}

Result<std::vector<TrashRow>> SqliteNamespaceTable::list_trash(VolumeNumber volume, InodeId directory,
                                                               const NameToken& token, const TrashCursor& after,
                                                               std::size_t limit) const {
  // Names one after the other: within one, the newest first. A cursor of a name starts inside it, or behind it.
  std::vector<TrashRow> rows;
  auto read = [&](Result<Query> query) -> Status {
    Query q = TRY(std::move(query));
    while (rows.size() < limit && TRY(q.step()))
      rows.push_back({q.number<InodeId>(0), directory, q.id<NameToken>(1), q.blob(2), q.number<Sequence>(3), q.time(4)});
    return {};
  };
  const NameToken& inside = after.token.is_zero() ? token : after.token;
  if (!inside.is_zero()) {
    const Sequence bound = after.sequence ? after.sequence : Sequence{INT64_MAX};
    TRY(read(connection_.query(
        "SELECT inode,token,name,sequence,time FROM trash WHERE volume=$1 AND directory=$2 AND token=$3"
        " AND (sequence<$4 OR (sequence=$5 AND inode<$6)) ORDER BY sequence DESC,inode DESC",
        volume, directory, inside, bound, bound, after.inode)));
  }
  if (!token.is_zero()) return rows;
  TRY(read(connection_.query(
      "SELECT inode,token,name,sequence,time FROM trash WHERE volume=$1 AND directory=$2 AND token>$3"
      " ORDER BY token,sequence DESC,inode DESC",
      volume, directory, after.token.is_zero() ? ByteView() : after.token.view())));
  return rows;
}

Status SqliteNamespaceTable::put_trash(VolumeNumber volume, const TrashRow& t) {
  return connection_.run(
      "INSERT INTO trash(volume,inode,directory,token,name,sequence,time) VALUES($1,$2,$3,$4,$5,$6,$7)"
      " ON CONFLICT(volume,inode) DO UPDATE SET directory=excluded.directory,token=excluded.token,"
      "name=excluded.name,sequence=excluded.sequence,time=excluded.time",
      volume, t.inode, t.directory, t.token, t.sealed_name, t.sequence, t.time);
}

Status SqliteNamespaceTable::remove_trash(VolumeNumber volume, InodeId inode) {
  return connection_.run("DELETE FROM trash WHERE volume=$1 AND inode=$2", volume, inode);
}

}  // namespace skymoor::server
