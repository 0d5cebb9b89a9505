#include "shared/sqlite/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace skymoor::sqlite {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/skymoor-db-XXXXXX";
    root_ = mkdtemp(pattern);
    path_ = root_ + "/t.db";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string root_, path_;
};

TEST_F(DatabaseTest, BindsAndReadsEveryType) {
  auto db = Database::open(path_).value();
  ASSERT_TRUE(db->execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB, c TEXT)").ok());
  auto insert = db->prepare("INSERT INTO t VALUES($1,$2,$3)").value();
  ASSERT_TRUE(insert.bind(1, std::uint64_t{1} << 62).bind_blob(2, Bytes{}).bind_text(3, "x'; DROP TABLE t;--").run().ok());
  auto select = db->prepare("SELECT a,b,c FROM t").value();
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.u64(0), std::uint64_t{1} << 62);
  EXPECT_FALSE(select.is_null(1)) << "an empty blob is not NULL";
  EXPECT_EQ(select.text(2), "x'; DROP TABLE t;--");
  EXPECT_FALSE(select.step().value());
  EXPECT_EQ(insert.bind(1, std::uint64_t{1} << 62).run().error().code(), Code::kAlreadyExists);
}

// More pages than SQLite keeps in memory, many of them in the log alone, in which they have no checksums.
TEST_F(DatabaseTest, ACopyOfALargeDatabaseThatIsWrittenToIsWhole) {
  auto db = Database::open(path_).value();
  ASSERT_TRUE(db->execute("PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)").ok());
  const auto fill = [&](int from, int to, std::uint8_t with) {
    auto insert = db->prepare("INSERT OR REPLACE INTO t VALUES($1,$2)").value();
    auto transaction = Transaction::begin(*db).value();
    for (int i = from; i < to; ++i) ASSERT_TRUE(insert.bind(1, i).bind_blob(2, Bytes(3000, with)).run().ok());
    ASSERT_TRUE(transaction.commit().ok());
  };
  fill(0, 4000, 1);
  ASSERT_TRUE(db->checkpoint_wal().ok());
  fill(0, 1500, 2);      // low pages anew
  fill(4000, 5000, 3);   // and new ones behind
  const std::string copy = root_ + "/copy.db";
  const Status copied = db->copy_to(copy);
  ASSERT_TRUE(copied.ok()) << copied.error().to_string();
  EXPECT_EQ(db->copy_to(copy).error().code(), Code::kAlreadyExists);
  auto opened = Database::open(copy).value();
  EXPECT_TRUE(opened->has_checksums());
  auto check = opened->prepare("PRAGMA integrity_check").value();
  const auto step = check.step();
  ASSERT_TRUE(step.ok()) << step.error().to_string();
  EXPECT_EQ(check.text(0), "ok");
  auto count = opened->prepare("SELECT COUNT(*), SUM(substr(b,1,1)=x'02') FROM t").value();
  ASSERT_TRUE(count.step().value());
  EXPECT_EQ(count.i64(0), 5000);
  EXPECT_EQ(count.i64(1), 1500);
}

TEST_F(DatabaseTest, TransactionRollsBackUnlessCommitted) {
  auto db = Database::open(path_).value();
  ASSERT_TRUE(db->execute("CREATE TABLE t(a)").ok());
  {
    auto transaction = Transaction::begin(*db).value();
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES(1)").ok());
  }
  {
    auto transaction = Transaction::begin(*db).value();
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES(2)").ok());
    ASSERT_TRUE(transaction.commit().ok());
  }
  auto count = db->prepare("SELECT count(*), max(a) FROM t").value();
  ASSERT_TRUE(count.step().value());
  EXPECT_EQ(count.i64(0), 1);
  EXPECT_EQ(count.i64(1), 2);
}

TEST_F(DatabaseTest, MigratesInStepsAndRefusesTheFuture) {
  constexpr std::string_view kFirst[] = {"CREATE TABLE a(x)"};
  constexpr std::string_view kBoth[] = {"CREATE TABLE a(x)", "CREATE TABLE b(y)"};
  auto db = Database::open(path_).value();
  ASSERT_TRUE(migrate(*db, kFirst).ok());
  ASSERT_TRUE(migrate(*db, kBoth).ok());
  ASSERT_TRUE(migrate(*db, kBoth).ok());
  EXPECT_TRUE(db->execute("INSERT INTO b VALUES(1)").ok());
  Status older = migrate(*db, kFirst);
  ASSERT_FALSE(older.ok());
  EXPECT_NE(older.error().message().find("newer version"), std::string::npos);
}

TEST_F(DatabaseTest, NotADatabaseIsCorrupt) {
  std::ofstream(path_) << std::string(8192, 'x');
  auto db = Database::open(path_);
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace skymoor::sqlite
