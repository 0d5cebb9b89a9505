// Random damage to the server's database: an error when it is opened, a finding of the check, or without any effect; never
// another row. SKYMOOR_DAMAGES: how often (200).
#include "backend-server/metadata_store/metadata_check.h"
#include "tests/support/damage.h"
#include "tests/support/seeds.h"
#include "tests/unit/server_services/test_writer.h"

namespace skymoor::server {
namespace {

class DatabaseDamageTest : public CommitTest {
 protected:
  void SetUp() override {
    CommitTest::SetUp();
    if (HasFatalFailure()) return;
    const BlockId block = store_block("a block");
    const InodeId directory = make_directory("dir");
    for (int i = 0; i < 60; ++i) {
      const InodeId file = make_file("file " + std::to_string(i), directory);
      value_of(writer_->submit({put(file, 10, {block}, 1), set_xattr(file, "x", Bytes(40, 1))}));
    }
    services_.reset();
  }

  /// Every row of every table; the first error.
  static Result<std::string> rows(const std::string& path) {
    auto db = TRY(sqlite::Database::open(path));
    std::string all;
    for (const std::string& table : TRY(texts(*db, "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name"))) {
      std::string row = "'" + table + "'";
      for (const std::string& column : TRY(texts(*db, "SELECT name FROM pragma_table_info('" + table + "')")))
        row += "||','||quote(" + column + ")";
      for (const std::string& text : TRY(texts(*db, "SELECT " + row + " AS r FROM " + table + " ORDER BY r"))) all += text + "\n";
    }
    return all;
  }
  static Result<std::vector<std::string>> texts(sqlite::Database& db, const std::string& sql) {
    auto statement = TRY(db.prepare(sql));
    std::vector<std::string> found;
    while (TRY(statement.step())) found.emplace_back(statement.text(0));
    return found;
  }
  static Result<MetadataReport> check(const std::string& path, bool repair = false) {
    auto opened = TRY(open_sqlite_metadata_check(path));
    return opened->run(repair);
  }
};

TEST_F(DatabaseDamageTest, IsAnErrorOrAFindingOrWithoutEffect) {
  const std::string good = value_of(rows(directory_ / "metadata.db"));
  const Bytes whole = value_of(read_file(disk_, directory_ / "metadata.db", 64u << 20));
  ASSERT_TRUE(value_of(check(directory_ / "metadata.db")).findings.empty());
  const auto times = skymoor::testing::number_from("SKYMOOR_DAMAGES", 200);
  std::mt19937_64 dice(skymoor::testing::first_seed() + 1);
  int refused = 0, named = 0, harmless = 0, unseen = 0;
  for (std::uint64_t i = 0; i < times; ++i) {
    skymoor::testing::TempDir copy;
    const std::string path = copy / "metadata.db";
    expect_ok(write_file_durably(disk_, path, skymoor::testing::damaged(whole, dice)));
    auto report = check(path, i % 2 == 1);
    if (!report.ok()) {
      EXPECT_EQ(report.error().code(), Code::kCorrupt) << report.error().to_string();
      ++refused;
    } else if (!report->findings.empty()) {
      ++named;
    } else {
      auto found = rows(path);
      ++(found.ok() && *found == good ? harmless : unseen);
    }
  }
  std::cout << refused << " refused, " << named << " named by the check, " << harmless << " without effect, " << unseen
            << " unseen\n";
  EXPECT_GT(refused, 0);
  EXPECT_GT(named, 0);
  EXPECT_EQ(unseen, 0);
}

}  // namespace
}  // namespace skymoor::server
