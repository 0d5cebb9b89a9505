#include "shared/sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "shared/base/fd.h"
#include "shared/sqlite/checksum_vfs.h"
#include "shared/sqlite/page_checksum.h"

namespace skymoor::sqlite {
namespace {

Error sqlite_error(sqlite3* db, std::string_view what) {
  int extended = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
  std::string message = std::string(what) + ": " + (db ? sqlite3_errmsg(db) : "out of memory");
  if (extended == SQLITE_IOERR_NOMEM) return Error(Code::kOutOfMemory, message);
  switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Error(Code::kBusy, message);
    case SQLITE_FULL: return Error(Code::kNoSpace, message);
    case SQLITE_CORRUPT: {
      const std::vector<std::string> found = found_damage(db);
      return Error(Code::kCorrupt, found.empty() ? message : std::string(what) + ": " + found.back());
    }
    case SQLITE_NOTADB: return Error(Code::kCorrupt, message);
    case SQLITE_CONSTRAINT: return Error(Code::kAlreadyExists, message);
    case SQLITE_READONLY:
    case SQLITE_PERM: return Error(Code::kPermissionDenied, message);
    case SQLITE_NOMEM: return Error(Code::kOutOfMemory, message);
    default: return Error(Code::kIo, message);
  }
}

}  // namespace

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(stmt_);
    stmt_ = std::exchange(other.stmt_, nullptr);
    db_ = other.db_;
  }
  return *this;
}
Statement::~Statement() { sqlite3_finalize(stmt_); }

// Binding fails only for an index that the statement does not have or for lack of memory; step then reports misuse.
Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(stmt_, index, value);
  return *this;
}
Statement& Statement::bind_blob(int index, ByteView value) {
  static const std::uint8_t kNothing = 0;
  sqlite3_bind_blob64(stmt_, index, value.empty() ? &kNothing : value.data(), value.size(), SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::bind_text(int index, std::string_view value) {
  sqlite3_bind_text64(stmt_, index, value.empty() ? "" : value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}
Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(stmt_, index);
  return *this;
}

Result<bool> Statement::step() {
  int rc = sqlite3_step(stmt_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  Error error = sqlite_error(db_, "database");
  sqlite3_reset(stmt_);
  return error;
}

Status Statement::run() {
  while (TRY(step())) {
  }
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(stmt_); }
std::int64_t Statement::i64(int column) const { return sqlite3_column_int64(stmt_, column); }
ByteView Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(stmt_, column);
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))};
}
std::string_view Statement::text(int column) const {
  const unsigned char* data = sqlite3_column_text(stmt_, column);
  return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))};
}
bool Statement::is_null(int column) const { return sqlite3_column_type(stmt_, column) == SQLITE_NULL; }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, DatabaseOptions options) {
  const char* vfs = checksum_vfs();
  if (!vfs) return Error(Code::kOutOfMemory, "open " + path + ": SQLite cannot be set up");
  sqlite3* handle = nullptr;
  int flags = options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  int rc = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
  std::unique_ptr<Database> db(new Database(handle));
  if (rc == SQLITE_CORRUPT) return Error(Code::kCorrupt, "open " + path + ": " + contradictory_header(path));
  if (rc != SQLITE_OK) return sqlite_error(handle, "open " + path);
  sqlite3_busy_timeout(handle, options.busy_timeout_ms);
  if (!options.read_only)
    if (Status done = db->begin_with_checksums(); !done.ok()) return done.error().wrap("open " + path);
  const char* sync = options.synchronous == Synchronous::kOff      ? "OFF"
                     : options.synchronous == Synchronous::kNormal ? "NORMAL"
                                                                   : "FULL";
  std::string setup = std::string("PRAGMA synchronous=") + sync + ";PRAGMA cache_size=-" +
                      std::to_string(options.cache_kib) + ";PRAGMA temp_store=MEMORY;PRAGMA foreign_keys=OFF;";
  if (!options.read_only) setup = "PRAGMA journal_mode=WAL;" + setup;
  if (Status done = db->execute(setup); !done.ok()) return done.error().wrap("open " + path);
  return db;
}

// One transaction makes the first page and says in it, twice, that pages have checksums. A file that has a page stays what it is.
Status Database::begin_with_checksums() {
  auto number = [this](const char* sql) -> Result<std::int64_t> {
    auto find = TRY(prepare(sql));
    TRY(find.step());
    return find.i64(0);
  };
  if (TRY(number("PRAGMA page_count")) != 0) return {};
  int reserved = kChecksumBytes;
  if (sqlite3_file_control(db_, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved) != SQLITE_OK)
    return Error(Code::kInternal, "SQLite reserves no bytes");
  auto transaction = TRY(Transaction::begin(*this));
  // Another process may have been faster.
  if (TRY(number("PRAGMA user_version")) == 0) TRY(execute("PRAGMA user_version=" + std::to_string(kChecksummedVersion)));
  return transaction.commit();
}

bool Database::has_checksums() const { return sqlite::has_checksums(db_); }
std::vector<std::string> Database::found_damage() const { return sqlite::found_damage(db_); }

Database::~Database() { sqlite3_close_v2(db_); }

Status Database::execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return sqlite_error(db_, "database");
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* stmt = nullptr;
  if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &stmt, nullptr) !=
      SQLITE_OK)
    return sqlite_error(db_, "prepare '" + std::string(sql) + "'");
  return Statement(stmt, db_);
}

std::int64_t Database::changed_rows() const { return sqlite3_changes64(db_); }

Status Database::checkpoint_wal() {
  if (sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr) != SQLITE_OK)
    return sqlite_error(db_, "checkpoint");
  return {};
}

namespace {

/// Every page as it lies in the file, which others may not have open.
Status check_pages(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Error::from_errno(errno, "open " + path);
  const auto read_at = [&](std::span<std::uint8_t> out, std::uint64_t at) {
    return ::pread(file.get(), out.data(), out.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(out.size());
  };
  std::uint8_t start[kHeaderBytes];
  if (!read_at(start, 0)) return Error(Code::kIo, path + " cannot be read");
  const FileHeader header = read_header(start);
  if (header.kind != PageKind::kChecked) return Error(Code::kCorrupt, path + " has no checksums");
  Bytes page(header.page_bytes);
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  for (std::uint64_t at = 0; at < static_cast<std::uint64_t>(size); at += page.size()) {
    const auto number = static_cast<std::uint32_t>(at / page.size() + 1);
    if (!read_at(page, at) || check_page(page, number) != PageFault::kNone)
      return Error(Code::kCorrupt, path + ": page " + std::to_string(number) + " is not what was written");
  }
  return {};
}

}  // namespace

Status Database::copy_to(const std::string& path) {
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                     checksum_vfs());
  std::unique_ptr<Database> copy(new Database(handle));
  if (opened != SQLITE_OK) return sqlite_error(handle, "open " + path);
  {
    auto pages = TRY(copy->prepare("PRAGMA page_count"));
    TRY(pages.step());
    if (pages.i64(0) != 0) return Error(Code::kAlreadyExists, path + " is there already");
  }
  if (has_checksums()) {
    // Its first page stands before any other is written, which asks it whether pages are sealed.
    auto bytes = TRY(prepare("PRAGMA page_size"));
    TRY(bytes.step());
    TRY(copy->execute("PRAGMA page_size=" + std::to_string(bytes.i64(0))));
    TRY(copy->begin_with_checksums());
  }
  sqlite3_backup* backup = sqlite3_backup_init(handle, "main", db_, "main");
  if (!backup) return sqlite_error(handle, "copy to " + path);
  const int copied = sqlite3_backup_step(backup, -1);   // at once: what others commit in between would have it begin anew
  const int finished = sqlite3_backup_finish(backup);
  if (copied != SQLITE_DONE || finished != SQLITE_OK) {
    const std::vector<std::string> found = found_damage();
    if ((copied & 0xff) == SQLITE_CORRUPT && !found.empty()) return Error(Code::kCorrupt, "what is to be copied is damaged: " + found.back());
    return sqlite_error(handle, "copy to " + path);
  }
  copy.reset();
  return has_checksums() ? check_pages(path) : Status();
}

Status Database::check_wal() {
  auto transaction = TRY(Transaction::begin(*this));   // nobody starts the WAL anew meanwhile
  const int rc = check_log_now(db_);
  if (rc == SQLITE_OK) return {};
  const std::vector<std::string> found = found_damage();
  if (rc == SQLITE_CORRUPT) return Error(Code::kCorrupt, "check of the WAL: " + (found.empty() ? "it is damaged" : found.back()));
  return Error(rc == SQLITE_IOERR_NOMEM ? Code::kOutOfMemory : Code::kIo, std::string("check of the WAL: ") + sqlite3_errstr(rc));
}

Result<Transaction> Transaction::begin(Database& db) {
  TRY(db.execute("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  // A failed ROLLBACK means that SQLite has rolled back already.
  if (db_) (void)db_->execute("ROLLBACK").ok();
}

Status Transaction::commit() {
  TRY(db_->execute("COMMIT"));
  db_ = nullptr;
  return {};
}

Status migrate(Database& db, std::span<const std::string_view> steps) {
  auto version = TRY(db.prepare("PRAGMA user_version"));
  TRY(version.step());
  const std::uint64_t base = db.has_checksums() ? kChecksummedVersion : 0;
  const std::uint64_t at = version.u64(0) - base;
  version.reset();
  if (at > steps.size())
    return Error(Code::kCorrupt, "the database was made by a newer version of this program (schema " +
                                     std::to_string(at) + ", known " + std::to_string(steps.size()) + ")");
  for (std::size_t done = at; done < steps.size(); ++done) {
    auto transaction = TRY(Transaction::begin(db));
    TRY(db.execute(std::string(steps[done])));
    TRY(db.execute("PRAGMA user_version=" + std::to_string(base + done + 1)));
    TRY(transaction.commit());
  }
  return {};
}

}  // namespace skymoor::sqlite
