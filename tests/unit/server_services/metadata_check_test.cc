// Every kind of planted damage is found and named; repair puts counts right and leaves everything else as it is.
#include "backend-server/metadata_store/metadata_check.h"

#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class MetadataCheckTest : public CommitTest {
 protected:
  void SetUp() override {
    CommitTest::SetUp();
    if (HasFatalFailure()) return;
    block_ = store_block("block one");
    const BlockId second = store_block("block two");
    directory_id_ = make_directory("dir");
    inner_ = make_directory("inner", directory_id_);
    file_ = make_file("file", inner_);
    value_of(writer_->submit({put(file_, 10, {block_, second}, 1), set_xattr(file_, "x", Bytes(40, 1))}));
    value_of(writer_->submit({put(file_, 20, {block_}, 2)}));
    value_of(writer_->submit({link(kRootInode, "second name", file_)}));
    gone_ = make_file("gone");
    value_of(writer_->submit({put(gone_, 5)}));
    value_of(writer_->submit({unlink(kRootInode, "gone", gone_)}));
    value_of(writer_->submit({unlink(inner_, "file", file_), link(inner_, "renamed", file_)}));
    services_.reset();   // a check has the data to itself
  }
  void sql(const std::string& text) {
    auto database = sqlite::Database::open(directory_ / "metadata.db");
    ASSERT_TRUE(database.ok());
    Status done = (*database)->execute(text);
    ASSERT_TRUE(done.ok()) << done.error().to_string() << "\n" << text;
    ASSERT_GT((*database)->changed_rows(), 0) << "nothing was damaged: " << text;
  }
  MetadataReport check(bool repair = false) {
    auto opened = open_sqlite_metadata_check(directory_ / "metadata.db");
    EXPECT_TRUE(opened.ok());
    if (!opened.ok()) return {};
    return value_of((*opened)->run(repair));
  }
  static std::string text_of(const MetadataReport& report) {
    std::string text;
    for (const Finding& finding : report.findings) text += finding.what + "\n";
    return text;
  }
  /// Damages, and expects a finding with these words; undoes the damage.
  void expect_found(const std::string& damage, const std::string& words) {
    const Bytes whole = *read_file(disk_, directory_ / "metadata.db", 64u << 20);
    sql(damage);
    const MetadataReport report = check();
    EXPECT_NE(text_of(report).find(words), std::string::npos) << damage << "\nfound: " << text_of(report);
    EXPECT_NE(text_of(report).find(volume_.hex()), std::string::npos) << "the volume is not named";
    restore(whole);
  }
  void restore(const Bytes& whole) {
    for (const char* suffix : {"-wal", "-shm"}) (void)disk_.unlink(directory_ / ("metadata.db" + std::string(suffix)));
    expect_ok(write_file_durably(disk_, directory_ / "metadata.db", whole));
  }
  static std::string name_of(InodeId inode) { return std::to_string(inode.value); }
  /// As SQLite holds it: 64 bits with a sign.
  static std::string id(InodeId inode) { return std::to_string(static_cast<std::int64_t>(inode.value)); }

  BlockId block_;
  InodeId directory_id_, inner_, file_, gone_;
};

TEST_F(MetadataCheckTest, a_sound_database_has_no_findings) {
  const std::string before = state_hash();
  for (bool repair : {false, true}) {
    const MetadataReport report = check(repair);
    EXPECT_EQ(text_of(report), "");
    EXPECT_EQ(report.volumes, 1u);
    EXPECT_EQ(report.commits, 10u);
    EXPECT_EQ(report.versions, 3u);
    EXPECT_EQ(report.blocks, 2u);
  }
  EXPECT_EQ(state_hash(), before);
}

TEST_F(MetadataCheckTest, damage_of_the_tree_is_named) {
  expect_found("DELETE FROM inodes WHERE inode=" + id(file_), "inode " + name_of(file_) + " has a name but is not there");
  expect_found("DELETE FROM inodes WHERE inode=" + id(directory_id_), "holds names but is no directory");
  expect_found("UPDATE inodes SET links=links+1 WHERE inode=" + id(file_), "does not count its names right");
  expect_found("DELETE FROM dentries WHERE inode=" + id(inner_), "counts names but has none");
  expect_found("UPDATE inodes SET links=0 WHERE inode=" + id(inner_), "deleted directory that still holds names");
  expect_found("UPDATE inodes SET parent=" + id(inner_) + " WHERE inode=" + id(inner_), "another parent");
  expect_found("UPDATE dentries SET directory=" + id(inner_) + " WHERE inode=" + id(directory_id_),
               "inode " + name_of(directory_id_) + " is a directory that the root does not lead to");
  expect_found("UPDATE inodes SET xattrs=5 WHERE inode=" + id(file_), "does not count its attributes right");
  expect_found("UPDATE inodes SET links=1 WHERE inode=" + id(gone_), "is in the trash but not deleted");
  expect_found("DELETE FROM inodes WHERE inode=1", "is not the root directory");
}

TEST_F(MetadataCheckTest, damage_of_contents_is_named) {
  expect_found("DELETE FROM versions WHERE inode=" + id(file_) + " AND size=20", "is its present content, and is not there");
  expect_found("UPDATE versions SET size=21 WHERE size=20", "is not what the inode says of its content");
  expect_found("UPDATE versions SET blocks=substr(blocks,1,31) WHERE size=20", "list of blocks is cut off");
  expect_found("UPDATE versions SET manifest=x'' WHERE size=10", "has no manifest");
  expect_found("UPDATE versions SET inode=4711 WHERE size=10", "belongs to no inode");
  expect_found("DELETE FROM blocks WHERE id=x'" + block_.hex() + "'",
               "block " + block_.hex() + " is named by 2 versions, and the volume does not hold it");
  expect_found("UPDATE blocks SET refs=7 WHERE id=x'" + block_.hex() + "'", "counts 7 references, and has 2");
  expect_found("UPDATE volumes SET stored_bytes=1", "stored bytes");
  expect_found("UPDATE volumes SET content_bytes=content_bytes+1", "content bytes");
  expect_found("UPDATE volumes SET inodes=0", "counts 0 inodes");
}

TEST_F(MetadataCheckTest, damage_of_the_chain_is_named) {
  expect_found("DELETE FROM changes WHERE sequence=4", "commits 4 to 4 are missing");
  expect_found("UPDATE changes SET hash=x'" + std::string(64, '1') + "' WHERE sequence=4", "commit 4 does not have the hash");
  expect_found("UPDATE changes SET payload=payload||x'00' WHERE sequence=4", "commit 4 cannot be read");
  expect_found("UPDATE changes SET signature=x'" + std::string(128, '1') + "' WHERE sequence=4",
               "commit 4 does not carry its device's signature");
  expect_found("UPDATE changes SET device_id=x'" + std::string(32, '1') + "' WHERE sequence=4", "a device that nobody knows");
  expect_found("DELETE FROM operations WHERE sequence=4", "commit 4 has no stored answer");
  expect_found("UPDATE operations SET sequence=3 WHERE sequence=4", "has a stored answer that is not its own");
  expect_found("UPDATE volumes SET head=head-1", "its head is 9, and its last commit 10");
  expect_found("UPDATE volumes SET head_hash=x'" + std::string(64, '1') + "'", "its head's hash is not that of its last commit");
  expect_found("DELETE FROM dentries WHERE inode=" + id(file_) + " AND directory=1", "which is gone though nothing removed it");
  expect_found("UPDATE dentries SET inode=" + id(gone_) + " WHERE inode=" + id(file_) + " AND directory=1",
               "left a name in directory 1 other than it is now");
  expect_found("DELETE FROM versions WHERE size=10", "stored a version of inode " + name_of(file_) + ", which is not there");
  expect_found("UPDATE versions SET manifest=x'00' WHERE size=10", "differs from what is there");
  expect_found("DELETE FROM inodes WHERE inode=" + id(gone_), "made inode " + name_of(gone_) + ", which is not there");
}

TEST_F(MetadataCheckTest, repair_puts_counts_right_and_touches_nothing_else) {
  const std::string sound = state_hash();
  for (const std::string& damage :
       {"UPDATE inodes SET links=9 WHERE inode=" + id(file_), "UPDATE inodes SET parent=1 WHERE inode=" + id(inner_),
        "UPDATE inodes SET xattrs=5 WHERE inode=" + id(file_), "UPDATE inodes SET manifest_bytes=1 WHERE inode=" + id(file_),
        "UPDATE blocks SET refs=0 WHERE id=x'" + block_.hex() + "'", std::string("UPDATE volumes SET inodes=0,stored_bytes=3")})
    sql(damage);
  const MetadataReport found = check();
  EXPECT_EQ(found.findings.size(), 7u) << text_of(found);
  for (const Finding& finding : found.findings) EXPECT_TRUE(finding.repairable && !finding.repaired) << finding.what;
  EXPECT_NE(state_hash(), sound) << "a check without repair repairs nothing";
  const MetadataReport repaired = check(true);
  for (const Finding& finding : repaired.findings) EXPECT_TRUE(finding.repaired) << finding.what;
  EXPECT_EQ(state_hash(), sound);
  EXPECT_EQ(text_of(check()), "");
}

TEST_F(MetadataCheckTest, repair_leaves_what_it_cannot_know) {
  sql("DELETE FROM versions WHERE size=20");
  sql("DELETE FROM dentries WHERE inode=" + id(inner_));
  const std::string before = state_hash();
  const MetadataReport report = check(true);
  EXPECT_FALSE(report.findings.empty());
  std::size_t left = 0;
  for (const Finding& finding : report.findings) left += !finding.repaired;
  EXPECT_GE(left, 4u) << text_of(report);
  EXPECT_NE(text_of(check()), "");
  // The inode still says which content it had, and its directory is still there: nothing was made empty.
  services_.reset();
  auto opened = sqlite::Database::open(directory_ / "metadata.db");
  ASSERT_TRUE(opened.ok());
  auto row = (*opened)->prepare("SELECT size,content_version FROM inodes WHERE inode=$1");
  ASSERT_TRUE(row.ok());
  row->bind(1, file_.value);
  ASSERT_TRUE(*row->step());
  EXPECT_EQ(row->u64(0), 20u);
  EXPECT_NE(row->u64(1), 0u);
}

TEST_F(MetadataCheckTest, a_damaged_page_or_index_is_named) {
  expect_ok((*sqlite::Database::open(directory_ / "metadata.db"))->checkpoint_wal());
  Bytes bytes = *read_file(disk_, directory_ / "metadata.db", 64u << 20);
  ASSERT_GT(bytes.size(), 5 * 4096u);
  std::size_t named = 0, looked = 0;
  for (std::size_t page = 2; page < bytes.size() / 4096; page += 3) {
    Bytes bad = bytes;
    for (std::size_t i = 0; i < 64; ++i) bad[page * 4096 + i] ^= 0x5a;
    restore(bad);
    auto opened = open_sqlite_metadata_check(directory_ / "metadata.db");
    ++looked;
    if (!opened.ok()) ++named;
    else if (auto report = (*opened)->run(false); !report.ok() || !report->findings.empty()) ++named;
  }
  EXPECT_EQ(named, looked);
  restore(bytes);
  EXPECT_EQ(text_of(check()), "");
}

}  // namespace
}  // namespace skymoor::server
