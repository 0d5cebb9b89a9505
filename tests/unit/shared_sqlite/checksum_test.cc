// Pages with checksums: what is damaged is an error that names file and page, never a row; what was made without stays without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "shared/sqlite/database.h"
#include "shared/sqlite/page_checksum.h"
#include "tests/support/temp_dir.h"

namespace skymoor::sqlite {
namespace {

using ::testing::HasSubstr;
constexpr std::size_t kPage = 4096;
constexpr std::string_view kSteps[] = {"CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT, bytes BLOB); CREATE INDEX w ON t(word)"};

class ChecksumTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Database> open(const std::string& path, DatabaseOptions options = {}) {
    auto opened = Database::open(path, options);
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  static void run(Database& db, const std::string& sql) {
    Status done = db.execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
  }
  /// A table of 400 rows with an index and rows that take pages of their own; closed, so that all is in the file.
  void SetUp() override {
    auto db = open(path_);
    ASSERT_TRUE(migrate(*db, kSteps).ok());
    fill(*db, 400);
  }
  static void fill(Database& db, int rows) {
    run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<" + std::to_string(rows) +
                ") INSERT INTO t(word,bytes) SELECT 'word '||i, randomblob(50+(i%97=0)*9000) FROM n");
  }
  /// All that can be read: rows, index, and SQLite's own look at the pages. The first error.
  static Result<std::string> read_all(const std::string& path) {
    auto db = TRY(Database::open(path));
    std::string all;
    for (const char* sql : {"SELECT id||word||hex(bytes) FROM t ORDER BY id", "SELECT word FROM t ORDER BY word"}) {
      auto find = TRY(db->prepare(sql));
      while (TRY(find.step())) all += find.text(0);
    }
    auto check = TRY(db->prepare("PRAGMA integrity_check"));
    while (TRY(check.step()))
      if (check.text(0) != "ok") return Error(Code::kCorrupt, std::string(check.text(0)));
    return all;
  }
  static std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  /// A connection of a program that knows of no checksums.
  struct Plain {
    explicit Plain(const std::string& path) { sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"); }
    ~Plain() { sqlite3_close(db); }
    int run(const std::string& sql) { return sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr); }
    sqlite3* db = nullptr;
  };

  skymoor::testing::TempDir root_;
  const std::string path_ = root_ / "t.db";
};

TEST_F(ChecksumTest, EveryPageOfTheFileIsSealed) {
  const std::string file = text_of(path_);
  ASSERT_EQ(file.size() % kPage, 0u);
  ASSERT_GT(file.size() / kPage, 20u);
  for (std::size_t at = 0; at < file.size(); at += kPage)
    EXPECT_EQ(check_page(as_bytes(file).subspan(at, kPage), static_cast<std::uint32_t>(at / kPage + 1)), PageFault::kNone);
  auto db = open(path_);
  EXPECT_TRUE(db->has_checksums());
  EXPECT_TRUE(read_all(path_).ok());
  EXPECT_THAT(db->found_damage(), ::testing::IsEmpty());
}

TEST_F(ChecksumTest, ABitThatFlipsAnywhereIsAnErrorWithTheNameOfItsPage) {
  const std::string whole = text_of(path_);
  for (std::size_t at = 5; at < whole.size(); at += 211) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    put(path_, bad);
    auto read = read_all(path_);
    ASSERT_FALSE(read.ok()) << "byte " << at;
    EXPECT_EQ(read.error().code(), Code::kCorrupt) << read.error().to_string();
    if (at > 100) {
      EXPECT_THAT(read.error().to_string(), HasSubstr("page " + std::to_string(at / kPage + 1) + " of " + path_ + " is damaged"));
    }
  }
}

TEST_F(ChecksumTest, NoBitOfTheHeaderTakesTheChecksumsBack) {
  const std::string whole = text_of(path_);
  for (std::size_t bit = 0; bit < 100 * 8; ++bit) {
    std::string bad = whole;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    put(path_, bad);
    auto read = read_all(path_);
    ASSERT_FALSE(read.ok()) << "bit " << bit;
    EXPECT_EQ(read.error().code(), Code::kCorrupt) << read.error().to_string();
  }
}

TEST_F(ChecksumTest, ALostAMisplacedAndACutPageAreErrors) {
  const std::string whole = text_of(path_);
  const auto good = read_all(path_);
  auto expect = [&](const std::string& file, const std::string& words) {
    put(path_, file);
    auto read = read_all(path_);
    ASSERT_FALSE(read.ok()) << words;
    EXPECT_THAT(read.error().to_string(), HasSubstr(words));
  };
  for (std::size_t page = 1; page < 6; ++page) {
    std::string bad = whole;
    bad.replace(page * kPage, kPage, kPage, '\0');
    expect(bad, "page " + std::to_string(page + 1) + " of " + path_ + " is damaged: it has no checksum");
    bad = whole;
    bad.replace(page * kPage, kPage, whole.substr((page + 5) * kPage, kPage));
    expect(bad, "page " + std::to_string(page + 1) + " of " + path_ + " is damaged: another page is in its place");
  }
  expect(whole.substr(0, whole.size() - 1), "the file ends before it does");
  put(path_, whole);
  EXPECT_EQ(*read_all(path_), *good);
}

TEST_F(ChecksumTest, SqlitesOwnCheckNamesWhatItMet) {
  std::string bad = text_of(path_);
  const std::size_t pages = bad.size() / kPage;
  for (std::size_t page : {pages / 3, pages / 2}) bad[page * kPage + 9] ^= 1;
  put(path_, bad);
  auto db = open(path_);
  auto check = db->prepare("PRAGMA quick_check").value();
  while (check.step().value_or(false)) {
  }
  EXPECT_THAT(db->found_damage(), ::testing::IsSupersetOf({"page " + std::to_string(pages / 3 + 1) + " of " + path_ +
                                                               " is damaged: its checksum is wrong",
                                                           "page " + std::to_string(pages / 2 + 1) + " of " + path_ +
                                                               " is damaged: its checksum is wrong"}));
}

/// Known: nothing outside the page says how new it is.
TEST_F(ChecksumTest, AnOlderVersionOfAPageIsNotTold) {
  const std::string before = text_of(path_);
  {
    auto db = open(path_);
    run(*db, "UPDATE t SET bytes=zeroblob(50) WHERE id=200");
  }
  std::string after = text_of(path_);
  ASSERT_EQ(before.size(), after.size());
  int older = 0;
  for (std::size_t at = kPage; at < after.size(); at += kPage) {
    if (before.compare(at, kPage, after, at, kPage) == 0) continue;
    after.replace(at, kPage, before, at, kPage);
    ++older;
  }
  ASSERT_EQ(older, 1);
  put(path_, after);
  EXPECT_TRUE(read_all(path_).ok());
}

/// What the log holds is not sealed yet: its own sums are checked whenever a page is read from it.
TEST_F(ChecksumTest, DamageInTheLogIsNotSealedByACheckpoint) {
  auto db = open(path_, {.cache_kib = 16});
  run(*db, "PRAGMA wal_autocheckpoint=0");
  run(*db, "UPDATE t SET bytes=randomblob(length(bytes))");
  const std::string log = path_ + "-wal";
  const std::string whole = text_of(log);
  ASSERT_GT(whole.size(), 10 * kPage);
  std::string bad = whole;
  const std::size_t frame = 5;
  bad[32 + (frame - 1) * (kPage + 24) + 24 + 3000] ^= 4;
  std::fstream(log, std::ios::binary | std::ios::in | std::ios::out) << bad;
  auto other = open(path_);
  auto find = other->prepare("SELECT sum(length(hex(bytes))) FROM t").value();
  auto read = find.step();
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), Code::kCorrupt);
  const std::string words = "frame " + std::to_string(frame) + " of " + log + " is damaged";
  EXPECT_THAT(read.error().to_string(), HasSubstr(words));
  find.reset();
  Status folded = db->checkpoint_wal();
  ASSERT_FALSE(folded.ok());
  EXPECT_EQ(folded.error().code(), Code::kCorrupt);
  EXPECT_THAT(folded.error().to_string(), HasSubstr(words));
  std::fstream(log, std::ios::binary | std::ios::in | std::ios::out) << whole;
  EXPECT_TRUE(db->checkpoint_wal().ok());
  EXPECT_TRUE(read_all(path_).ok());
}

/// Pages that leave a small cache several times within a transaction are overwritten in the log, whose sums are wrong until
/// the commit.
TEST_F(ChecksumTest, LargeTransactionsReadWhatTheyHaveNotCommitted) {
  auto db = open(path_, {.cache_kib = 32});
  auto reader = open(path_, {.read_only = true});
  std::string expected = *read_all(path_);
  for (bool commit : {false, true, false, true}) {
    auto transaction = Transaction::begin(*db).value();
    for (int round = 0; round < 4; ++round) {
      run(*db, "UPDATE t SET bytes=randomblob(length(bytes)), word=word||'" + std::to_string(round) + "'");
      run(*db, "SAVEPOINT s; DELETE FROM t WHERE id%3=0; ROLLBACK TO s; RELEASE s");
      auto count = reader->prepare("SELECT count(*),sum(length(bytes)) FROM t").value();
      ASSERT_TRUE(count.step().ok());
      EXPECT_GE(count.i64(0), 400);
    }
    fill(*db, 100);
    if (commit) {
      ASSERT_TRUE(transaction.commit().ok());
    }
    if (commit) expected.clear();
    auto all = db->prepare("SELECT id||word||hex(bytes) FROM t ORDER BY id").value();
    while (all.step().value())
      if (commit) expected += all.text(0);
  }
  auto check = db->prepare("PRAGMA integrity_check").value();
  ASSERT_TRUE(check.step().value());
  EXPECT_EQ(check.text(0), "ok");
  EXPECT_THAT(read_all(path_).value(), ::testing::StartsWith(expected));
  EXPECT_THAT(db->found_damage(), ::testing::IsEmpty());
}

TEST_F(ChecksumTest, WhatWasMadeWithoutStaysWithout) {
  const std::string plain = root_ / "plain.db";
  { EXPECT_EQ(Plain(plain).run(std::string(kSteps[0]) + ";PRAGMA user_version=1;PRAGMA journal_mode=WAL"), SQLITE_OK); }
  {
    auto db = open(plain);
    ASSERT_TRUE(migrate(*db, kSteps).ok());
    fill(*db, 300);
    EXPECT_FALSE(db->has_checksums());
  }
  EXPECT_TRUE(read_all(plain).ok());
  Plain older(plain);
  EXPECT_EQ(older.run("INSERT INTO t(word) VALUES('by the older program'); PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
  EXPECT_TRUE(read_all(plain).ok());
}

TEST_F(ChecksumTest, AProgramThatKnowsOfNoneSeesANewerSchemaFromTheFirstTransactionOn) {
  const std::string fresh = root_ / "fresh.db";
  { ASSERT_TRUE(open(fresh)); }
  for (const std::string& path : {fresh, path_}) {
    Plain older(path);
    sqlite3_stmt* version = nullptr;
    ASSERT_EQ(sqlite3_prepare_v2(older.db, "PRAGMA user_version", -1, &version, nullptr), SQLITE_OK);
    ASSERT_EQ(sqlite3_step(version), SQLITE_ROW);
    EXPECT_EQ(sqlite3_column_int(version, 0), path == fresh ? 0x10000 : 0x10001);
    sqlite3_finalize(version);
  }
}

TEST_F(ChecksumTest, WhatAnotherProgramWroteAllTheSameIsAnError) {
  {
    Plain other(path_);
    EXPECT_EQ(other.run("UPDATE t SET word='another' WHERE id=7"), SQLITE_OK);
  }
  auto read = read_all(path_);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), Code::kCorrupt);
  EXPECT_THAT(read.error().to_string(), HasSubstr(path_ + " is damaged"));
}

/// A killed process leaves pages in the log alone: they are sealed when another one folds it.
TEST_F(ChecksumTest, ACopyWithItsLogIsWhole) {
  auto db = open(path_);
  run(*db, "UPDATE t SET word=word||'!'");
  const std::string copy = root_ / "copy.db";
  std::filesystem::copy_file(path_, copy);
  std::filesystem::copy_file(path_ + "-wal", copy + "-wal");
  const auto first = read_all(copy);   // closing folds the log
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  ASSERT_FALSE(std::filesystem::exists(copy + "-wal"));
  EXPECT_EQ(*read_all(copy), *first);
  EXPECT_THAT(*first, HasSubstr("word 400!"));
}

}  // namespace
}  // namespace skymoor::sqlite
