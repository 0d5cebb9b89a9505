// Everything checked against everything else: the client's fsck of its own tables.
#include <functional>

#include "fuse/journal/store/store.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

constexpr std::size_t kMaxFindings = 1000;

/// Collects findings over one connection.
class Checker {
 public:
  Checker(SqlTables& sql, Lsn acknowledged, std::uint64_t era) : sql_(sql), acknowledged_(acknowledged), era_(era) {}
  std::vector<std::string> findings;

  void add(std::string finding) {
    if (findings.size() < kMaxFindings) findings.push_back(std::move(finding));
  }
  /// Runs a query that finds what is wrong; `words` makes a sentence of a row.
  Status none(const std::string& query, const std::function<std::string(const sqlite::Statement&)>& words) {
    auto find = TRY(sql_.db().prepare(query));
    while (TRY(find.step())) add(words(find));
    return {};
  }

  Status names();
  Status directories();
  Status inodes(MetadataStore::Totals& totals);
  Status contents();
  Status base_rows();

 private:
  SqlTables& sql_;
  const Lsn acknowledged_;
  const std::uint64_t era_;
};

std::string number(const sqlite::Statement& s, int column) { return std::to_string(s.u64(column)); }

Status Checker::names() {
  auto words = [](std::string what) {
    return [what](const sqlite::Statement& s) {
      return "entry '" + std::string(as_text(s.blob(1))) + "' of directory " + number(s, 0) + ": " + what + " (inode " +
             number(s, 2) + ")";
    };
  };
  TRY(none("SELECT directory,name,inode FROM dentry d WHERE NOT EXISTS (SELECT 1 FROM inode i WHERE i.id=d.inode)",
           words("its inode is missing")));
  TRY(none("SELECT directory,name,inode FROM dentry d WHERE NOT EXISTS (SELECT 1 FROM inode i WHERE i.id=d.directory)",
           words("its directory is missing")));
  TRY(none("SELECT directory,name,inode FROM dentry d JOIN inode i ON i.id=d.inode WHERE i.links=0",
           words("its inode counts no links")));
  return none("SELECT directory,min(name),min(inode) FROM dentry GROUP BY directory,cookie HAVING count(*)>1",
              words("another entry has the same place"));
}

Status Checker::directories() {
  TRY(none("SELECT inode,count(*) FROM dentry WHERE type=2 GROUP BY inode HAVING count(*)>1",
           [](const sqlite::Statement& s) { return "directory " + number(s, 0) + " has " + number(s, 1) + " names"; }));
  auto find = TRY(sql_.db().prepare("SELECT d.directory,d.name,d.inode,d.type,i.id,i.changed,i.body FROM dentry d "
                                    "JOIN inode i ON i.id=d.inode"));
  while (TRY(find.step())) {
    InodeRow row = TRY(inode_from(find, 4));
    if (static_cast<std::int64_t>(row.attributes.type) != find.i64(3))
      add("entry '" + std::string(as_text(find.blob(1))) + "' of directory " + number(find, 0) +
          " has another type than its inode " + number(find, 2));
    if (row.attributes.type == FileType::kDirectory && row.parent.value != find.u64(0))
      add("directory " + number(find, 2) + " is in " + number(find, 0) + ", its row says " +
          std::to_string(row.parent.value));
  }
  return {};
}

Status Checker::inodes(MetadataStore::Totals& totals) {
  auto find = TRY(sql_.db().prepare("SELECT id,changed,body,links FROM inode"));
  auto names = TRY(sql_.db().prepare("SELECT count(*) FROM dentry WHERE inode=?1"));
  auto subdirectories = TRY(sql_.db().prepare("SELECT count(*) FROM dentry WHERE directory=?1 AND type=2"));
  while (TRY(find.step())) {
    InodeRow row = TRY(inode_from(find, 0));
    std::string who = "inode " + std::to_string(row.id.value);
    if (row.links != find.u64(3)) add(who + ": link count differs from its column");
    if (row.links == 0) continue;
    totals.inodes += 1;
    if (row.attributes.type == FileType::kFile) totals.bytes += row.attributes.size;
    bool is_directory = row.attributes.type == FileType::kDirectory;
    ResetOnExit reset(names), reset_too(subdirectories);
    TRY((is_directory ? subdirectories : names).bind(1, row.id.value).step());
    if (is_directory && row.listed && row.links != 2 + subdirectories.u64(0))
      add(who + ": counts " + std::to_string(row.links) + " links, has " + number(subdirectories, 0) +
          " subdirectories");
    if (!is_directory && row.links < names.u64(0))
      add(who + ": counts " + std::to_string(row.links) + " links, has " + number(names, 0) + " names");
  }
  return {};
}

Status Checker::contents() {
  std::vector<InodeId> ids;
  auto find = TRY(sql_.db().prepare("SELECT inode FROM content UNION SELECT inode FROM manifest"));
  while (TRY(find.step())) ids.push_back(InodeId{find.u64(0)});
  for (InodeId id : ids) {
    std::string who = "content of inode " + std::to_string(id.value);
    auto loaded = sql_.content(id, era_);
    if (!loaded.ok()) {
      add(who + ": " + loaded.error().to_string());
      continue;
    }
    const ContentRow& row = loaded->row;
    for (const Extent& part : row.dirty.all())
      if (!row.valid.contains(part)) add(who + ": dirty from " + std::to_string(part.begin) + " but not present");
    if (!row.manifest.empty() && !decode_manifest(row.manifest).ok()) add(who + ": unreadable manifest");
    if (!TRY(sql_.inode(id))) add(who + ": there is no such inode");
  }
  return {};
}

Status Checker::base_rows() {
  for (std::string table : {"base_inode", "base_dentry", "base_xattr"})
    TRY(none("SELECT count(*) FROM " + table + " WHERE changed<=" + std::to_string(acknowledged_.value) +
                 " HAVING count(*)>0",
             [&](const sqlite::Statement& s) { return number(s, 0) + " rows of " + table + " are of nothing pending"; }));
  return {};
}

}  // namespace

Result<std::vector<std::string>> JournaledMetadataStore::check() {
  MutexLock one(checkpoint_mutex_);
  TRY(checkpoint_locked());
  MutexLock lock(mutex_);
  {
    MutexLock writer(writer_mutex_);
    TRY(checkpoint_inline(lock, writer));
  }
  Checker checker(*reader_, Lsn{acknowledged_}, era_);
  auto words = [](const sqlite::Statement& s) {
    return s.text(0) == "ok" ? std::string() : "metadata.db: " + std::string(s.text(0));
  };
  TRY(checker.none("PRAGMA quick_check", words));
  std::erase(checker.findings, "");
  // What is in damaged pages cannot be told; every further question that meets one would end in an error.
  std::vector<std::string> damaged = reader_->db().found_damage();
  if (!damaged.empty()) {
    for (std::string& page : damaged) checker.add(std::move(page));
    return std::move(checker.findings);
  }
  Totals counted;
  TRY(checker.names());
  TRY(checker.directories());
  TRY(checker.inodes(counted));
  TRY(checker.contents());
  TRY(checker.base_rows());
  if (counted.inodes != totals_.inodes || counted.bytes != totals_.bytes)
    checker.add("totals: " + std::to_string(totals_.inodes) + " inodes and " + std::to_string(totals_.bytes) +
                " bytes are remembered, " + std::to_string(counted.inodes) + " and " + std::to_string(counted.bytes) +
                " are there");
  if (log_->last().value > acknowledged_) {
    Status read = log_->read(Lsn{acknowledged_ + 1}, [](const LogFrame& frame) -> Result<bool> {
      if (frame.kind == FrameKind::kRecord) TRY(decode_record(frame.body));
      return true;
    });
    if (!read.ok()) checker.add(read.error().to_string());
  }
  return std::move(checker.findings);
}

}  // namespace skymoor::client
