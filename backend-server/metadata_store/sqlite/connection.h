// Connection: one database connection with its statements prepared once.
#pragma once
#include <memory>
#include <unordered_map>

#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/sqlite/database.h"

namespace skymoor::server {

/// A statement in use: bound, then stepped; free for the next use when this goes. Not thread-safe.
class Query {
 public:
  Query(sqlite::Statement& statement, bool& busy) : statement_(&statement), busy_(&busy) { *busy_ = true; }
  Query(Query&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)), busy_(other.busy_) {}
  Query& operator=(Query&&) = delete;
  ~Query() {
    if (!statement_) return;
    statement_->reset();
    *busy_ = false;
  }

  void bind(int index, std::int64_t v) { statement_->bind(index, v); }
  void bind(int index, std::uint64_t v) { statement_->bind(index, v); }
  void bind(int index, std::uint32_t v) { statement_->bind(index, v); }
  void bind(int index, int v) { statement_->bind(index, v); }
  void bind(int index, bool v) { statement_->bind(index, v ? 1 : 0); }
  void bind(int index, ByteView v) { statement_->bind_blob(index, v); }
  void bind(int index, const Bytes& v) { statement_->bind_blob(index, v); }
  void bind(int index, const std::string& v) { statement_->bind_text(index, v); }
  void bind(int index, Timestamp v) { statement_->bind(index, std::int64_t{v.time_since_epoch().count()}); }
  template <typename Tag, typename Number>
  void bind(int index, NumberId<Tag, Number> v) { statement_->bind(index, std::uint64_t{v.value}); }
  template <typename Tag, std::size_t Size>
  void bind(int index, const BytesId<Tag, Size>& v) { statement_->bind_blob(index, v.view()); }

  Result<bool> step() { return statement_->step(); }
  Status run() { return statement_->run(); }

  std::int64_t i64(int column) const { return statement_->i64(column); }
  std::uint64_t u64(int column) const { return statement_->u64(column); }
  std::uint32_t u32(int column) const { return static_cast<std::uint32_t>(statement_->u64(column)); }
  bool flag(int column) const { return statement_->i64(column) != 0; }
  Bytes blob(int column) const { return to_bytes(statement_->blob(column)); }
  std::string text(int column) const { return std::string(statement_->text(column)); }
  Timestamp time(int column) const { return Timestamp{std::chrono::nanoseconds{statement_->i64(column)}}; }
  template <typename Id>
  Id number(int column) const { return Id{static_cast<decltype(Id::value)>(statement_->u64(column))}; }
  /// Zeros when the blob has another length, which no statement of ours stores.
  template <typename Id>
  Id id(int column) const { return Id::from(statement_->blob(column)).value_or(Id{}); }

 private:
  sqlite::Statement* statement_;
  bool* busy_;
};

/// Owns a database connection and the statements made on it. Not thread-safe: one thread at a time. `sql` texts are
/// literals: the address of one names its statement.
class Connection {
 public:
  explicit Connection(std::unique_ptr<sqlite::Database> database) : database_(std::move(database)) {}

  /// Binds the arguments to $1, $2, ... (the text must name them in this order) and gives the statement ready to step.
  /// A statement is not used again before its Query has gone. Errors: Io, Corrupt.
  template <typename... Args>
  Result<Query> query(const char* sql, const Args&... args) {
    Query query = TRY(prepared(sql));
    int index = 0;
    (query.bind(++index, args), ...);
    return query;
  }
  /// Runs a statement without rows to its end.
  template <typename... Args>
  Status run(const char* sql, const Args&... args) {
    Query query = TRY(this->query(sql, args...));
    return query.run();
  }
  std::int64_t changed_rows() const { return database_->changed_rows(); }
  sqlite::Database& database() { return *database_; }

 private:
  struct Prepared {
    sqlite::Statement statement;
    bool busy = false;
  };
  Result<Query> prepared(const char* sql);

  std::unique_ptr<sqlite::Database> database_;
  std::unordered_map<const char*, Prepared> statements_;  ///< goes before the database
};

}  // namespace skymoor::server
