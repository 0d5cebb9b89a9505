#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/metadata_store/sqlite/group_writer.h"
#include "backend-server/metadata_store/sqlite/read_pool.h"
#include "backend-server/metadata_store/sqlite/schema.h"
#include "backend-server/metadata_store/sqlite/tables.h"
#include "shared/base/log.h"
#include "shared/base/must_finish.h"

namespace skymoor::server {
namespace {

/// One file in WAL mode: one writing connection, used by the group writer's thread alone, and a pool of reading ones.
class SqliteMetadataStore final : public MetadataStore {
 public:
  SqliteMetadataStore(std::unique_ptr<Connection> writing, std::vector<std::unique_ptr<Connection>> reading,
                      GroupWriter::Options options)
      : writing_(std::move(writing)), tables_(*writing_), readers_(std::move(reading)), writer_(*writing_, options) {}

  Status read(const Read& read) override {
    ReadPool::Lease lease = readers_.take();
    Connection& connection = *lease;
    TRY(connection.run("BEGIN"));
    Status done = contained([&] { return read(SqliteTables(connection).for_reading()); });
    if (!done.ok() && done.error().code() == Code::kInternal) log_error("metadata.read_threw", {{"error", done.error()}});
    // Ending a read cannot lose anything; a connection that could not end it fails at its next BEGIN.
    if (Status ended = connection.run("COMMIT"); !ended.ok() && done.ok()) return ended;
    return done;
  }

  Status update(const Update& update) override {
    return writer_.run([&] {
      Tables tables = tables_.for_update();
      return update(tables);
    });
  }

 private:
  std::unique_ptr<Connection> writing_;
  SqliteTables tables_;
  ReadPool readers_;
  GroupWriter writer_;  ///< last: joins its thread before what it uses goes
};

/// What a process wrote before it was killed may be in the page cache only, and is shown and answered from now on: it must
/// not go with the power. A checkpoint syncs the log before all else.
Status make_durable(sqlite::Database& database) {
  Status folded = database.execute("PRAGMA wal_checkpoint(PASSIVE)");
  // On a full disk the log is synced and stays.
  return !folded.ok() && folded.error().code() == Code::kNoSpace ? Status() : folded;
}

}  // namespace

Result<std::unique_ptr<MetadataStore>> open_sqlite_metadata_store(const MetadataStoreOptions& options) {
  sqlite::DatabaseOptions writing;
  writing.synchronous = sqlite::Synchronous::kFull;
  writing.cache_kib = options.cache_kib;
  auto database = TRY(sqlite::Database::open(options.file, writing));
  TRY(sqlite::migrate(*database, metadata_migrations()));
  TRY(make_durable(*database));
  // A commit of a full pack of small files is about 16 MiB of log: fold it into the file less often than the default.
  TRY(database->execute("PRAGMA wal_autocheckpoint=4096"));
  sqlite::DatabaseOptions reading;
  reading.read_only = true;
  reading.cache_kib = options.cache_kib / 4;
  std::vector<std::unique_ptr<Connection>> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.readers, 1); ++i)
    readers.push_back(std::make_unique<Connection>(TRY(sqlite::Database::open(options.file, reading))));
  GroupWriter::Options group;
  group.queue_limit = options.queue_limit;
  return std::unique_ptr<MetadataStore>(std::make_unique<SqliteMetadataStore>(
      std::make_unique<Connection>(std::move(database)), std::move(readers), group));
}

}  // namespace skymoor::server
