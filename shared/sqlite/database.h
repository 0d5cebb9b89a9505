// SQLite behind our types: the only room that includes sqlite3.h.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/bytes.h"
#include "shared/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace skymoor::sqlite {

/// A prepared statement. Bind ($1 is index 1), step until it answers false, read columns (from 0) of the current row,
/// reset before the next use. Views from columns live until the next step or reset. Not thread-safe; must not outlive
/// its Database.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : stmt_(std::exchange(other.stmt_, nullptr)), db_(other.db_) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, int value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, std::uint32_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind_blob(int index, ByteView value);          ///< copied; an empty one is an empty blob, not NULL
  Statement& bind_text(int index, std::string_view value);  ///< copied
  Statement& bind_null(int index);

  /// True: a row is there. False: done. Errors: Busy, NoSpace, Corrupt, AlreadyExists (a constraint), Io.
  Result<bool> step();
  /// Steps to the end, ignoring rows, and resets: for INSERT, UPDATE, DELETE.
  Status run();
  void reset();

  std::int64_t i64(int column) const;
  std::uint64_t u64(int column) const { return static_cast<std::uint64_t>(i64(column)); }
  ByteView blob(int column) const;
  std::string_view text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* stmt, sqlite3* db) : stmt_(stmt), db_(db) {}
  sqlite3_stmt* stmt_ = nullptr;
  sqlite3* db_ = nullptr;
};

enum class Synchronous { kOff, kNormal, kFull };

struct DatabaseOptions {
  bool read_only = false;
  Synchronous synchronous = Synchronous::kNormal;  ///< WAL: kFull makes every commit survive a power cut
  std::int64_t cache_kib = 4096;
  int busy_timeout_ms = 5000;
};

/// One connection, WAL mode. Not thread-safe: one per thread, or under the owner's lock. A database that it makes has a
/// checksum on every page; a page that is not what was written is Corrupt to every statement that meets it, and the message
/// names file and page. After damage in the WAL was met, by a statement or by a checkpoint, each commit of the connection is Corrupt.
class Database {
 public:
  /// Opens a database, or makes one where there is none. Errors: Corrupt (not a database, or its first page is damaged),
  /// NoSpace, Io, PermissionDenied, OutOfMemory.
  static Result<std::unique_ptr<Database>> open(const std::string& path, DatabaseOptions options = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs statements without parameters or results.
  Status execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  std::int64_t changed_rows() const;        ///< of the last INSERT, UPDATE or DELETE
  /// Moves the WAL into the database file and truncates it. Errors: Corrupt (the WAL is damaged: the file is as
  /// before, and the WAL holds all up to the damage), NoSpace, Io, Busy.
  Status checkpoint_wal();
  /// Reads all that is committed in the WAL: whether the next start will find it. Not within a transaction; takes the writer's
  /// lock. Errors: Corrupt, Io, Busy.
  Status check_wal();
  /// Writes what is committed at one moment into a new file; others may go on writing. Durability: on return its bytes survive a
  /// power cut, and each page of it was read. Errors: AlreadyExists, Corrupt (a page of it is damaged), NoSpace, Io, Busy. Source: sqlite3_backup_init.
  Status copy_to(const std::string& path);
  /// False for a database that a version made which knew of none: that one stays as it is.
  bool has_checksums() const;
  /// What this connection has met until now that is damaged, each with file and page: what `PRAGMA integrity_check` read and
  /// could not name. The newest 32.
  std::vector<std::string> found_damage() const;

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  Status begin_with_checksums();
  sqlite3* db_;
};

/// BEGIN IMMEDIATE on construction; rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  /// Durability: per the connection's `synchronous`.
  Status commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

/// Brings the schema from PRAGMA user_version (where pages have checksums counted from 65536, so that a program that knows of
/// none refuses the database) to the last of `steps`, one transaction each. Errors: Corrupt when the database is newer than
/// this program ("made by a newer version").
Status migrate(Database& db, std::span<const std::string_view> steps);

}  // namespace skymoor::sqlite
