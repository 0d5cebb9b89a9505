// Content versions, the blocks that they name, and the sums that volumes keep.
#include "backend-server/metadata_store/sqlite/check/checker.h"

namespace skymoor::server {
namespace {

std::string version_name(const Query& q) {
  return "volume " + q.text(0) + ": version " + std::to_string(q.u64(2)) + " of inode " + std::to_string(q.u64(1));
}

/// Files' present contents, and every version's own file.
Status check_versions(CheckContext& context) {
  auto absent = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),i.inode,i.content_version FROM inodes i JOIN volumes v ON v.number=i.volume"
      " LEFT JOIN versions c ON c.volume=i.volume AND c.inode=i.inode AND c.sequence=i.content_version"
      " WHERE i.content_version<>0 AND c.sequence IS NULL"));
  while (TRY(absent.step())) context.find(version_name(absent) + " is its present content, and is not there");
  auto differing = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),i.inode,i.content_version FROM inodes i JOIN volumes v ON v.number=i.volume"
      " JOIN versions c ON c.volume=i.volume AND c.inode=i.inode AND c.sequence=i.content_version"
      " WHERE c.size<>i.size OR c.content_writer<>i.content_writer OR c.content_counter<>i.content_counter"));
  while (TRY(differing.step())) context.find(version_name(differing) + " is not what the inode says of its content");
  auto manifests = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),i.inode,i.content_version FROM inodes i JOIN volumes v ON v.number=i.volume"
      " JOIN versions c ON c.volume=i.volume AND c.inode=i.inode AND c.sequence=i.content_version"
      " WHERE length(c.manifest)<>i.manifest_bytes"));
  while (TRY(manifests.step())) context.find(version_name(manifests) + ": its manifest's size is not counted right", true);
  if (context.repair)
    TRY(context.connection.database().execute(
        "UPDATE inodes SET manifest_bytes=length(c.manifest) FROM versions c WHERE c.volume=inodes.volume AND"
        " c.inode=inodes.inode AND c.sequence=inodes.content_version AND length(c.manifest)<>inodes.manifest_bytes"));
  auto orphans = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),c.inode,c.sequence FROM versions c JOIN volumes v ON v.number=c.volume"
      " LEFT JOIN inodes i ON i.volume=c.volume AND i.inode=c.inode WHERE i.inode IS NULL"));
  while (TRY(orphans.step())) context.find(version_name(orphans) + " belongs to no inode");
  return {};
}

/// Counts what versions name into a temporary table.
Status count_references(CheckContext& context) {
  TRY(context.connection.database().execute(
      "DROP TABLE IF EXISTS temp.named; CREATE TEMP TABLE named(volume,id,n,PRIMARY KEY(volume,id)) WITHOUT ROWID"));
  auto q = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),c.inode,c.sequence,c.volume,c.blocks,length(c.manifest) FROM versions c"
      " JOIN volumes v ON v.number=c.volume"));
  while (TRY(q.step())) {
    ++context.report.versions;
    const Bytes blocks = q.blob(4);
    if (blocks.size() % BlockId::kSize != 0) context.find(version_name(q) + ": its list of blocks is cut off");
    if (q.u64(5) == 0) context.find(version_name(q) + " has no manifest");
    for (std::size_t at = 0; at + BlockId::kSize <= blocks.size(); at += BlockId::kSize)
      TRY(context.connection.run("INSERT INTO temp.named VALUES($1,$2,1) ON CONFLICT(volume,id) DO UPDATE SET n=n+1",
                                 q.u64(3), ByteView(blocks).subspan(at, BlockId::kSize)));
  }
  return {};
}

Status check_references(CheckContext& context) {
  TRY(count_references(context));
  auto absent = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),lower(hex(n.id)),n.n FROM temp.named n JOIN volumes v ON v.number=n.volume"
      " LEFT JOIN blocks b ON b.volume=n.volume AND b.id=n.id WHERE b.id IS NULL"));
  while (TRY(absent.step()))
    context.find("volume " + absent.text(0) + ": block " + absent.text(1) + " is named by " + std::to_string(absent.u64(2)) +
                 " versions, and the volume does not hold it");
  auto wrong = TRY(context.connection.query(
      "SELECT lower(hex(v.id)),lower(hex(b.id)),b.refs,COALESCE(n.n,0) FROM blocks b JOIN volumes v ON v.number=b.volume"
      " LEFT JOIN temp.named n ON n.volume=b.volume AND n.id=b.id WHERE b.refs<>COALESCE(n.n,0)"));
  while (TRY(wrong.step()))
    context.find("volume " + wrong.text(0) + ": block " + wrong.text(1) + " counts " + std::to_string(wrong.u64(2)) +
                     " references, and has " + std::to_string(wrong.u64(3)),
                 true);
  auto blocks = TRY(context.connection.query("SELECT COUNT(*) FROM blocks"));
  TRY(blocks.step());
  context.report.blocks = blocks.u64(0);
  if (!context.repair) return {};
  return context.connection.database().execute(
      "UPDATE blocks SET refs=COALESCE((SELECT n FROM temp.named n WHERE n.volume=blocks.volume AND n.id=blocks.id),0)"
      " WHERE refs<>COALESCE((SELECT n FROM temp.named n WHERE n.volume=blocks.volume AND n.id=blocks.id),0)");
}

/// The sums are what the quota and the volume's listing go by.
Status check_sums(CheckContext& context) {
  static constexpr const char* kSums =
      "(SELECT COUNT(*) FROM inodes i WHERE i.volume=v.number AND (i.links>0 OR i.inode=1)) AS inodes,"
      "(SELECT COALESCE(SUM(i.size),0) FROM inodes i WHERE i.volume=v.number AND (i.links>0 OR i.inode=1)) AS content,"
      "(SELECT COALESCE(SUM(length(c.manifest)),0) FROM versions c WHERE c.volume=v.number) AS manifests,"
      "(SELECT COALESCE(SUM(b.stored_bytes),0) FROM blocks b WHERE b.volume=v.number) AS stored";
  static const std::string kQuery = std::string("SELECT lower(hex(v.id)),v.number,v.inodes,v.content_bytes,v.manifest_bytes,"
                                                "v.stored_bytes,") + kSums + " FROM volumes v";
  static constexpr const char* kNames[] = {"inodes", "content bytes", "manifest bytes", "stored bytes"};
  struct Sums {
    std::uint64_t number, value[4];
  };
  std::vector<Sums> right;
  {
    auto q = TRY(context.connection.query(kQuery.c_str()));
    while (TRY(q.step())) {
      bool wrong = false;
      for (int i = 0; i < 4; ++i) {
        if (q.u64(2 + i) == q.u64(6 + i)) continue;
        wrong = true;
        context.find("volume " + q.text(0) + ": counts " + std::to_string(q.u64(2 + i)) + " " + kNames[i] + ", and has " +
                         std::to_string(q.u64(6 + i)),
                     true);
      }
      if (wrong) right.push_back({q.u64(1), {q.u64(6), q.u64(7), q.u64(8), q.u64(9)}});
    }
  }
  if (!context.repair) return {};
  for (const Sums& sums : right)
    TRY(context.connection.run(
        "UPDATE volumes SET inodes=$1,content_bytes=$2,manifest_bytes=$3,stored_bytes=$4 WHERE number=$5", sums.value[0],
        sums.value[1], sums.value[2], sums.value[3], sums.number));
  return {};
}

}  // namespace

Status check_contents(CheckContext& context) {
  TRY(check_versions(context));
  TRY(check_references(context));
  return check_sums(context);
}

}  // namespace skymoor::server
