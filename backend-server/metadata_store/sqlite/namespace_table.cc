// Inodes, slots and their listing.
#include "backend-server/metadata_store/sqlite/tables.h"

namespace skymoor::server {
namespace {

// The order of read_inode and of the parameters of insert_inode.
#define INODE_COLUMNS                                                                                             \
  "i.inode,i.type,i.mode,i.uid,i.gid,i.rdev,i.size,i.atime,i.mtime,i.ctime,i.btime,i.links,i.parent,i.target,"    \
  "i.content_version,i.content_writer,i.content_counter,i.manifest_bytes,i.xattrs,i.checked,i.children,i.touched"
constexpr int kAfterInode = 22;

InodeRow read_inode(const Query& q) {
  InodeRow row;
  row.inode = q.number<InodeId>(0);
  row.attributes.type = static_cast<FileType>(q.i64(1));
  row.attributes.mode = q.u32(2);
  row.attributes.uid = q.u32(3);
  row.attributes.gid = q.u32(4);
  row.attributes.rdev = q.u64(5);
  row.attributes.size = q.u64(6);
  row.attributes.atime = q.time(7);
  row.attributes.mtime = q.time(8);
  row.attributes.ctime = q.time(9);
  row.attributes.btime = q.time(10);
  row.links = q.u32(11);
  row.parent = q.number<InodeId>(12);
  row.sealed_target = q.blob(13);
  row.content_version = q.number<Sequence>(14);
  row.content = {q.number<WriterId>(15), q.u64(16)};
  row.manifest_bytes = q.u64(17);
  row.xattrs = q.u32(18);
  row.checked = q.number<Sequence>(19);
  row.children = q.number<Sequence>(20);
  row.touched = q.number<Sequence>(21);
  return row;
}

}  // namespace

Result<std::optional<InodeRow>> SqliteNamespaceTable::find_inode(VolumeNumber volume, InodeId inode) const {
  auto q = TRY(connection_.query("SELECT " INODE_COLUMNS " FROM inodes i WHERE i.volume=$1 AND i.inode=$2", volume,
                                 inode));
  if (!TRY(q.step())) return std::optional<InodeRow>();
  return std::optional(read_inode(q));
}

Status SqliteNamespaceTable::insert_inode(VolumeNumber volume, const InodeRow& r) {
  const Attributes& a = r.attributes;
  return connection_.run(
      "INSERT INTO inodes(volume,inode,type,mode,uid,gid,rdev,size,atime,mtime,ctime,btime,links,parent,target,"
      "content_version,content_writer,content_counter,manifest_bytes,xattrs,checked,children,touched)"
      " VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23)",
      volume, r.inode, static_cast<int>(a.type), a.mode, a.uid, a.gid, a.rdev, a.size, a.atime, a.mtime, a.ctime,
      a.btime, r.links, r.parent, r.sealed_target, r.content_version, r.content.writer, r.content.counter,
      r.manifest_bytes, r.xattrs, r.checked, r.children, r.touched);
}

Status SqliteNamespaceTable::update_inode(VolumeNumber volume, const InodeRow& r) {
  const Attributes& a = r.attributes;
  return connection_.run(
      "UPDATE inodes SET mode=$1,uid=$2,gid=$3,size=$4,atime=$5,mtime=$6,ctime=$7,links=$8,parent=$9,"
      "content_version=$10,content_writer=$11,content_counter=$12,manifest_bytes=$13,xattrs=$14,checked=$15,"
      "children=$16,touched=$17 WHERE volume=$18 AND inode=$19",
      a.mode, a.uid, a.gid, a.size, a.atime, a.mtime, a.ctime, r.links, r.parent, r.content_version, r.content.writer,
      r.content.counter, r.manifest_bytes, r.xattrs, r.checked, r.children, r.touched, volume, r.inode);
}

Result<std::optional<SlotRow>> SqliteNamespaceTable::find_slot(VolumeNumber volume, InodeId directory,
                                                               const NameToken& token) const {
  auto q = TRY(connection_.query(
      "SELECT name,inode,sequence FROM dentries WHERE volume=$1 AND directory=$2 AND token=$3", volume, directory,
      token));
  if (!TRY(q.step())) return std::optional<SlotRow>();
  return std::optional(SlotRow{q.blob(0), q.number<InodeId>(1), q.number<Sequence>(2)});
}

Result<Sequence> SqliteNamespaceTable::find_vacated(VolumeNumber volume, InodeId directory,
                                                    const NameToken& token) const {
  auto q = TRY(connection_.query(
      "SELECT sequence FROM vacated_slots WHERE volume=$1 AND directory=$2 AND token=$3", volume, directory, token));
  if (!TRY(q.step())) return Sequence{};
  return q.number<Sequence>(0);
}

Status SqliteNamespaceTable::insert_slot(VolumeNumber volume, InodeId directory, const NameToken& token,
                                         const SlotRow& slot) {
  return connection_.run(
      "INSERT INTO dentries(volume,directory,token,name,inode,sequence) VALUES($1,$2,$3,$4,$5,$6)", volume, directory,
      token, slot.sealed_name, slot.inode, slot.sequence);
}

Status SqliteNamespaceTable::remove_slot(VolumeNumber volume, InodeId directory, const NameToken& token,
                                         Sequence sequence) {
  TRY(connection_.run("DELETE FROM dentries WHERE volume=$1 AND directory=$2 AND token=$3", volume, directory, token));
  return connection_.run(
      "INSERT INTO vacated_slots(volume,directory,token,sequence) VALUES($1,$2,$3,$4)"
      " ON CONFLICT(volume,directory,token) DO UPDATE SET sequence=excluded.sequence",
      volume, directory, token, sequence);
}

Status SqliteNamespaceTable::drop_vacated(VolumeNumber volume, Sequence up_to) {
  return connection_.run("DELETE FROM vacated_slots WHERE volume=$1 AND sequence<=$2", volume, up_to);
}

Result<std::vector<NameToken>> SqliteNamespaceTable::list_tokens(VolumeNumber volume, InodeId directory,
                                                                 std::size_t limit) const {
  auto q = TRY(connection_.query(
      "SELECT token FROM dentries WHERE volume=$1 AND directory=$2 ORDER BY token LIMIT $3", volume, directory,
      std::uint64_t{limit}));
  std::vector<NameToken> tokens;
  while (TRY(q.step())) tokens.push_back(q.id<NameToken>(0));
  return tokens;
}

Status SqliteNamespaceTable::visit_entries(VolumeNumber volume, InodeId directory, const NameToken& after,
                                           std::size_t limit,
                                           const std::function<Result<bool>(EntryRow)>& visit) const {
  auto q = TRY(connection_.query(
      "SELECT " INODE_COLUMNS ",d.token,d.name FROM dentries d JOIN inodes i ON i.volume=d.volume AND i.inode=d.inode"
      " WHERE d.volume=$1 AND d.directory=$2 AND d.token>$3 ORDER BY d.token LIMIT $4",
      volume, directory, after.is_zero() ? ByteView() : after.view(), std::uint64_t{limit}));
  while (TRY(q.step()))
    if (!TRY(visit({q.id<NameToken>(kAfterInode), q.blob(kAfterInode + 1), read_inode(q)}))) break;
  return {};
}

}  // namespace skymoor::server
