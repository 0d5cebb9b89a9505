#include "backend-server/metadata_store/sqlite/check/checker.h"

#include "backend-server/metadata_store/sqlite/schema.h"

namespace skymoor::server {
namespace {

class SqliteMetadataCheck final : public MetadataCheck {
 public:
  explicit SqliteMetadataCheck(std::unique_ptr<sqlite::Database> database) : connection_(std::move(database)) {}

  Result<MetadataReport> run(bool repair) override {
    MetadataReport report;
    CheckContext context{connection_, report, repair};
    auto transaction = TRY(sqlite::Transaction::begin(connection_.database()));
    // A part that cannot read its rows is a finding itself; the others may still tell something.
    struct Part {
      const char* name;
      Status (*check)(CheckContext&);
    };
    for (const Part& part : {Part{"pages", check_pages}, Part{"tree", check_tree}, Part{"contents", check_contents},
                             Part{"changes", check_changes}}) {
      Status done = part.check(context);
      if (done.ok()) continue;
      if (done.error().code() != Code::kCorrupt) return std::move(done).error();
      context.find(std::string("the check of ") + part.name + " could not go on: " + done.error().message());
    }
    if (!repair) return report;
    Status kept = transaction.commit();
    if (kept.ok()) return report;
    if (kept.error().code() != Code::kCorrupt) return std::move(kept).error();
    // SQLite keeps nothing of a transaction that has met a damaged page.
    for (Finding& finding : report.findings) finding.repaired = false;
    context.find("nothing was repaired: " + kept.error().message());
    return report;
  }

  Status visit_blocks(const std::function<Status(const NamedBlock&)>& visit) override {
    auto q = TRY(connection_.query("SELECT v.id,b.id,b.stored_bytes,b.refs FROM blocks b JOIN volumes v ON v.number=b.volume"
                                   " ORDER BY b.volume,b.id"));
    while (TRY(q.step())) TRY(visit({q.id<VolumeId>(0), q.id<BlockId>(1), q.u32(2), q.u64(3)}));
    return {};
  }

  Result<std::optional<NamedBlock>> find_block(const VolumeId& volume, const BlockId& block) override {
    auto q = TRY(connection_.query("SELECT b.stored_bytes,b.refs FROM blocks b JOIN volumes v ON v.number=b.volume"
                                   " WHERE v.id=$1 AND b.id=$2",
                                   volume, block));
    if (!TRY(q.step())) return std::optional<NamedBlock>();
    return std::optional(NamedBlock{volume, block, q.u32(0), q.u64(1)});
  }

 private:
  Connection connection_;
};

}  // namespace

Status check_pages(CheckContext& context) {
  bool index_damaged = false;
  auto q = TRY(context.connection.query("PRAGMA integrity_check(100)"));
  while (TRY(q.step())) {
    std::string line = q.text(0);
    if (line == "ok") continue;
    const bool index = line.find("index") != std::string::npos;
    index_damaged |= index;
    context.find("database: " + line, index);
  }
  // What SQLite can only say the number of an error about.
  const std::vector<std::string> damaged = context.connection.database().found_damage();
  for (const std::string& page : damaged) context.find("database: " + page);
  if (index_damaged && context.repair) TRY(context.connection.database().execute("REINDEX"));
  return {};
}

Result<std::unique_ptr<MetadataCheck>> open_sqlite_metadata_check(const std::string& file) {
  sqlite::DatabaseOptions options;
  options.synchronous = sqlite::Synchronous::kFull;
  options.cache_kib = 32 * 1024;
  auto database = TRY(sqlite::Database::open(file, options));
  TRY(sqlite::migrate(*database, metadata_migrations()));
  return std::unique_ptr<MetadataCheck>(std::make_unique<SqliteMetadataCheck>(std::move(database)));
}

}  // namespace skymoor::server
