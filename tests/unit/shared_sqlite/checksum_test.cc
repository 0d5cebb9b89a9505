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

/// Pages go into the file in their order, not in the log's: a checkpoint that stopped at a damaged frame had already put newer
/// pages there, and the next start cut the log at the frame.
class DamagedLogTest : public ChecksumTest {
 protected:
  static constexpr std::size_t kLogHeader = 32, kFrame = 24 + kPage;
  static constexpr int kCommits = 12;

  static void flip(const std::string& path, std::size_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 4));
  }
  static std::size_t frames_of(const std::string& path) {
    return (static_cast<std::size_t>(std::filesystem::file_size(path + "-wal")) - kLogHeader) / kFrame;
  }
  static std::string rows_of(Database& db) {
    std::string all;
    auto find = db.prepare("SELECT id||word||hex(bytes) FROM t ORDER BY id").value();
    while (find.step().value_or(false)) all += find.text(0);
    return all;
  }
  static Status commit(Database& db, int number) {
    // Late pages and early ones, each in most commits.
    const std::string word = "'commit " + std::to_string(number) + "'";
    TRY(db.execute("BEGIN IMMEDIATE"));
    Status done = db.execute("UPDATE t SET word=" + word + " WHERE id%80=" + std::to_string(number) + "; INSERT INTO t(word) VALUES(" + word + ")");
    if (done.ok()) done = db.execute("COMMIT");
    if (!done.ok()) (void)db.execute("ROLLBACK").ok();
    return done;
  }
  /// Commits to a log that holds nothing; content and frames after each, before the first one too.
  void make_commits(Database& db, const std::string& path) {
    states_ = {rows_of(db)};
    frames_ = {0};
    for (int i = 1; i <= kCommits; ++i) {
      ASSERT_TRUE(commit(db, i).ok());
      states_.push_back(rows_of(db));
      frames_.push_back(frames_of(path));
    }
  }
  static void expect_corrupt(const Status& done, const std::string& words) {
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code(), Code::kCorrupt) << done.error().to_string();
    EXPECT_THAT(done.error().to_string(), HasSubstr(words));
  }
  /// A byte of the log that is damaged: nothing reaches the file, nothing more is committed, and the next start finds exactly
  /// the commits before it.
  void expect_prefix(const std::string& path, std::size_t at, std::size_t commits, const std::string& words, bool automatic) {
    auto db = open(path);
    ASSERT_NO_FATAL_FAILURE(make_commits(*db, path));
    const std::string file = text_of(path);
    EXPECT_TRUE(db->check_wal().ok());
    flip(path + "-wal", at);
    const std::string log = text_of(path + "-wal");
    if (automatic) {   // whose outcome nobody is told
      run(*db, "PRAGMA wal_autocheckpoint=1");
      EXPECT_TRUE(commit(*db, kCommits + 1).ok());
    } else {
      expect_corrupt(db->execute("PRAGMA wal_checkpoint(PASSIVE)"), words);
      expect_corrupt(db->checkpoint_wal(), words);
    }
    EXPECT_TRUE(text_of(path) == file);
    expect_corrupt(db->check_wal(), words);
    for (int i = 0; i < 3; ++i) expect_corrupt(commit(*db, kCommits + 2), words);
    EXPECT_TRUE(text_of(path) == file);
    db.reset();
    EXPECT_TRUE(text_of(path) == file);
    EXPECT_TRUE(text_of(path + "-wal").starts_with(log));
    EXPECT_TRUE(read_all(path).ok());
    db = open(path);
    EXPECT_TRUE(rows_of(*db) == states_[commits]);
    EXPECT_TRUE(commit(*db, 1).ok());
    EXPECT_TRUE(db->checkpoint_wal().ok());
  }

  std::vector<std::string> states_;
  std::vector<std::size_t> frames_;
};

TEST_F(DamagedLogTest, LeavesExactlyTheCommitsBeforeIt) {
  const std::string plain = root_ / "plain.db", start = text_of(path_);
  { EXPECT_EQ(Plain(plain).run(std::string(kSteps[0]) + ";PRAGMA user_version=1;PRAGMA journal_mode=WAL"), SQLITE_OK); }
  fill(*open(plain), 400);
  const std::string start_of_plain = text_of(plain);
  for (bool sealed : {true, false}) {
    const std::string path = sealed ? path_ : plain;
    make_commits(*open(path), path);
    const std::vector<std::size_t> frames = frames_;   // the same each time
    for (std::size_t commit : {1, 6, kCommits}) {
      const std::size_t frame = frames[commit];   // its last one
      const std::size_t header = kLogHeader + (frame - 1) * kFrame;
      for (std::size_t in_frame : {std::size_t{2}, std::size_t{11}, std::size_t{21}, std::size_t{24 + 3000}}) {
        SCOPED_TRACE(path + ", commit " + std::to_string(commit) + ", byte " + std::to_string(in_frame));
        put(path, sealed ? start : start_of_plain);
        expect_prefix(path, header + in_frame, commit - 1, "frame " + std::to_string(frame) + " of " + path + "-wal is damaged",
                      in_frame == 11);
      }
    }
    for (std::size_t at : {9, 17, 30}) {
      SCOPED_TRACE(path + ", header, byte " + std::to_string(at));
      put(path, sealed ? start : start_of_plain);
      expect_prefix(path, at, 0, "the header of " + path + "-wal is damaged", at == 17);
    }
  }
}

TEST_F(DamagedLogTest, ACutLogIsDamaged) {
  auto db = open(path_);
  make_commits(*db, path_);
  const std::string file = text_of(path_);
  std::filesystem::resize_file(path_ + "-wal", kLogHeader + (frames_[6] - 1) * kFrame + 100);
  for (int i = 0; i < 2; ++i) {
    expect_corrupt(db->checkpoint_wal(), "the file ends before it does");
    expect_corrupt(db->check_wal(), "the file ends before it does");
    expect_corrupt(commit(*db, 1), "the file ends before it does");
  }
  EXPECT_TRUE(text_of(path_) == file);
  db.reset();
  EXPECT_TRUE(rows_of(*open(path_)) == states_[5]);
}

/// What is in the file already is not asked of the log any more: the rest goes there too, which loses nothing.
TEST_F(DamagedLogTest, DamageOfWhatWasFoldedIsHealed) {
  auto db = open(path_);
  auto reader = open(path_, {.read_only = true});
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(commit(*db, i).ok());
  auto hold = reader->prepare("SELECT id FROM t").value();
  ASSERT_TRUE(hold.step().value());
  for (int i = 4; i <= 6; ++i) ASSERT_TRUE(commit(*db, i).ok());
  run(*db, "PRAGMA wal_checkpoint(PASSIVE)");   // up to the reader
  flip(path_ + "-wal", kLogHeader + 24 + 50);
  hold.reset();
  hold = reader->prepare("SELECT id FROM t").value();
  ASSERT_TRUE(hold.step().value());
  for (int i = 7; i <= 9; ++i) ASSERT_TRUE(commit(*db, i).ok());
  hold.reset();
  const std::string all = rows_of(*db);
  run(*db, "PRAGMA wal_checkpoint(PASSIVE)");
  EXPECT_THAT(db->found_damage(), ::testing::Contains(HasSubstr("frame 1 of " + path_ + "-wal is damaged")));
  ASSERT_TRUE(commit(*db, 10).ok()) << "in a new log";
  const std::string more = rows_of(*db);
  hold = Statement();
  reader.reset();
  db.reset();
  EXPECT_TRUE(read_all(path_).ok());
  EXPECT_TRUE(rows_of(*open(path_)) == more);
}

/// Checkpoints that readers stop early do not check all of a long log each time, and still all that they fold.
TEST_F(DamagedLogTest, EachCheckpointOfALogThatGoesOnChecksWhatItFolds) {
  auto db = open(path_);
  auto reader = open(path_, {.read_only = true});
  make_commits(*db, path_);
  for (int i = 0; i < 6; ++i) {
    auto hold = reader->prepare("SELECT id FROM t").value();
    ASSERT_TRUE(hold.step().value());
    ASSERT_TRUE(commit(*db, i).ok());
    run(*db, "PRAGMA wal_checkpoint(PASSIVE)");
  }
  ASSERT_GT(frames_of(path_), frames_.back()) << "one log";
  const std::size_t before = frames_of(path_);
  auto hold = reader->prepare("SELECT id FROM t").value();
  ASSERT_TRUE(hold.step().value());
  ASSERT_TRUE(commit(*db, 7).ok());
  hold.reset();
  ASSERT_GT(frames_of(path_), before);
  flip(path_ + "-wal", kLogHeader + (frames_of(path_) - 1) * kFrame + 24 + 50);
  const std::string file = text_of(path_);
  expect_corrupt(db->checkpoint_wal(), "frame " + std::to_string(frames_of(path_)));
  EXPECT_TRUE(text_of(path_) == file);
  expect_corrupt(commit(*db, 8), "frame");
}

TEST_F(DamagedLogTest, WhatOthersCommittedIsCheckedBeforeEachCheckpoint) {
  auto db = open(path_, {.synchronous = Synchronous::kOff});
  auto reader = open(path_, {.read_only = true});
  auto other = open(path_);
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(commit(*other, i).ok());
  auto hold = reader->prepare("SELECT id FROM t").value();
  ASSERT_TRUE(hold.step().value());
  for (int i = 4; i <= 6; ++i) ASSERT_TRUE(commit(*other, i).ok());
  run(*db, "PRAGMA wal_checkpoint(PASSIVE)");
  hold.reset();
  const std::size_t frame = frames_of(path_);
  flip(path_ + "-wal", kLogHeader + (frame - 1) * kFrame + 24 + 50);
  const std::string file = text_of(path_);
  expect_corrupt(db->checkpoint_wal(), "frame " + std::to_string(frame));
  EXPECT_TRUE(text_of(path_) == file);
}

TEST_F(DamagedLogTest, FramesOverThoseOfARolledBackTransactionAreChecked) {
  auto db = open(path_, {.cache_kib = 16});
  auto other = open(path_);
  ASSERT_TRUE(commit(*db, 1).ok());
  const std::size_t before = frames_of(path_);
  run(*db, "BEGIN; UPDATE t SET word=word||'!', bytes=randomblob(length(bytes)); ROLLBACK");
  ASSERT_GT(frames_of(path_), before + 10);
  run(*other, "UPDATE t SET bytes=randomblob(length(bytes)) WHERE id<20");
  flip(path_ + "-wal", kLogHeader + before * kFrame + 24 + 3000);
  auto find = db->prepare("SELECT sum(length(hex(word||hex(bytes)))) FROM t").value();
  auto read = find.step();
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().to_string(), HasSubstr("frame " + std::to_string(before + 1)));
}

/// A connection that has seen the file while it was empty.
TEST_F(ChecksumTest, AConnectionFromBeforeTheFirstPageKnowsOfTheChecksums) {
  const std::string fresh = root_ / "fresh.db";
  put(fresh, "");
  auto early = open(fresh, {.read_only = true});
  EXPECT_FALSE(early->has_checksums());
  auto db = open(fresh);
  EXPECT_TRUE(early->has_checksums());
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
