#include "backend-server/metadata_store/guess_store.h"
#include "backend-server/metadata_store/sqlite/group_writer.h"

namespace skymoor::server {
namespace {

constexpr std::string_view kStep1 = R"sql(
CREATE TABLE guesses(
  number INTEGER PRIMARY KEY AUTOINCREMENT, account BLOB NOT NULL, network TEXT NOT NULL, time INTEGER NOT NULL);
CREATE INDEX guesses_by_account ON guesses(account, time);
CREATE INDEX guesses_by_network ON guesses(network, time);
CREATE INDEX guesses_by_time ON guesses(time);
)sql";
constexpr std::string_view kSteps[] = {kStep1};

constexpr auto kKept = std::chrono::hours(24);
constexpr std::size_t kMaxRead = 1000;        ///< newest rows that a history shows
constexpr std::uint64_t kMaxRows = 1'000'000; ///< about 100 MiB; full means an attack from ten thousand networks

/// A small file in WAL mode, synced with every group of guesses.
class SqliteGuessStore final : public GuessStore {
 public:
  explicit SqliteGuessStore(std::unique_ptr<Connection> connection)
      : connection_(std::move(connection)), writer_(*connection_, {.thread_name = "guess-writer"}) {}

  Result<std::int64_t> add(const Guess& guess, const std::function<Status(const GuessHistory&)>& judge) override {
    std::int64_t number = 0;
    Status judged;
    Status counted = writer_.run([&]() -> Status {
      TRY(date_back(guess.time));
      auto added = add_now(guess, [&](const GuessHistory& history) { return judged = judge(history); });
      if (added.ok()) number = *added;
      // A refusal wrote nothing, and must not undo the dates.
      return added.ok() || !judged.ok() ? Status() : Status(std::move(added).error());
    });
    if (!counted.ok()) return std::move(counted).error();
    if (!judged.ok()) return std::move(judged).error();
    return number;
  }

  Status forgive(std::int64_t guess) override {
    return writer_.run([&] {
      return connection_->run(
          "DELETE FROM guesses WHERE number IN (SELECT b.number FROM guesses a JOIN guesses b"
          " ON b.account=a.account AND b.network=a.network WHERE a.number=$1)",
          guess);
    });
  }

 private:
  Result<std::int64_t> add_now(const Guess& guess, const std::function<Status(const GuessHistory&)>& judge) {
    GuessHistory history;
    if (!guess.account.is_zero())
      history.account = TRY(times("SELECT time FROM guesses WHERE account=$1 AND time>$2 ORDER BY time DESC LIMIT $3",
                                  guess.account, guess.time - kKept));
    history.network = TRY(times("SELECT time FROM guesses WHERE network=$1 AND time>$2 ORDER BY time DESC LIMIT $3",
                                guess.network, guess.time - std::chrono::hours(1)));
    TRY(judge(history));
    TRY(connection_->run("DELETE FROM guesses WHERE time<$1", guess.time - kKept));
    TRY(check_room());
    auto q = TRY(connection_->query("INSERT INTO guesses(account,network,time) VALUES($1,$2,$3) RETURNING number",
                                    guess.account, guess.network, guess.time));
    TRY(q.step());
    std::int64_t number = q.i64(0);
    TRY(q.run());
    return number;
  }

  /// Guesses of a time to come were made while the clock was ahead. They count as made now and age from here; left as
  /// they are they would lock a user out until that time has come.
  Status date_back(Timestamp now) {
    bool ahead = false;
    {
      auto q = TRY(connection_->query("SELECT 1 FROM guesses WHERE time>$1 LIMIT 1", now));
      ahead = TRY(q.step());
    }
    return ahead ? connection_->run("UPDATE guesses SET time=$1 WHERE time>$2", now, now) : Status();
  }

  template <typename Key>
  Result<std::vector<Timestamp>> times(const char* sql, const Key& key, Timestamp since) {
    auto q = TRY(connection_->query(sql, key, since, std::uint64_t{kMaxRead}));
    std::vector<Timestamp> newest_first;
    while (TRY(q.step())) newest_first.push_back(q.time(0));
    return std::vector<Timestamp>(newest_first.rbegin(), newest_first.rend());
  }

  /// The span of numbers bounds the rows from above without counting them.
  Status check_room() {
    auto q = TRY(connection_->query("SELECT COALESCE(MAX(number)-MIN(number),0) FROM guesses"));
    TRY(q.step());
    if (q.u64(0) < kMaxRows) return {};
    return Error(Code::kRateLimited, "too many logins were tried; try again in 3600 s");
  }

  std::unique_ptr<Connection> connection_;
  GroupWriter writer_;
};

}  // namespace

Result<std::unique_ptr<GuessStore>> open_sqlite_guess_store(const std::string& file) {
  sqlite::DatabaseOptions options;
  options.synchronous = sqlite::Synchronous::kFull;
  options.cache_kib = 1024;
  auto database = TRY(sqlite::Database::open(file, options));
  TRY(sqlite::migrate(*database, kSteps));
  return std::unique_ptr<GuessStore>(
      std::make_unique<SqliteGuessStore>(std::make_unique<Connection>(std::move(database))));
}

}  // namespace skymoor::server
