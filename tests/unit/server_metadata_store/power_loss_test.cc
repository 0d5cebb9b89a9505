// What an update returned, and what a read has shown, survives the end of the process and of the machine at any step.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "backend-server/metadata_store/metadata_store.h"
#include "tests/support/power_loss_disk.h"
#include "tests/support/seeds.h"
#include "tests/support/sqlite_on_disk.h"

namespace skymoor::server {
namespace {

using skymoor::testing::PowerLossDisk;
using skymoor::testing::SqliteOnDisk;

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

/// A store that goes through many lives, and what it has shown.
class Lives {
 public:
  explicit Lives(std::uint64_t seed) : engine_(seed) {}
  ~Lives() { close(); }

  /// Opens, is used, and ends at a random step: of the opening, an update, a checkpoint.
  void live() {
    std::unique_ptr<PowerLossDisk> after;
    std::set<std::string> shown_then;
    auto steps_left = engine_() % 3 ? engine_() % 60 : engine_() % 6;
    const bool kill = engine_() % 2;
    disk_->before_step = [&] {
      if (after || steps_left-- != 0) return;
      after = kill ? disk_->after_kill() : disk_->after_power_cut(engine_);
      shown_then = shown_;
    };
    open();
    if (!after) look();
    while (!after) add_user();
    disk_->before_step = [] {};
    close();
    disk_ = std::move(after);
    shown_ = std::move(shown_then);
  }

 private:
  void open() {
    sqlite_ = std::make_unique<SqliteOnDisk>(*disk_, "/power-loss");
    store_ = must(open_sqlite_metadata_store({.file = "/power-loss/metadata.db", .readers = 1}));
  }
  void close() {
    store_.reset();
    sqlite_.reset();
  }

  void add_user() {
    UserRow user;
    random_.fill(user.id.value);
    user.name = "user" + std::to_string(made_++);
    user.record = Bytes(engine_() % 9000, 1);
    Status added = store_->update([&](Tables& tables) { return tables.accounts.insert_user(user); });
    if (!added.ok()) throw std::runtime_error(added.error().to_string());
    shown_.insert(user.name);
  }

  /// All that was shown is there; what else is there is shown now.
  void look() {
    std::set<std::string> there;
    for (const UserRow& user :
         must(read_from(*store_, [](const ReadTables& tables) { return tables.accounts.list_users("", 100000); })))
      there.insert(user.name);
    for (const std::string& name : shown_)
      if (!there.contains(name)) throw std::runtime_error(name + " was shown and is gone");
    shown_ = std::move(there);
  }

  std::mt19937_64 engine_;
  SystemRandom random_;
  std::unique_ptr<PowerLossDisk> disk_ = std::make_unique<PowerLossDisk>();
  std::unique_ptr<SqliteOnDisk> sqlite_;
  std::unique_ptr<MetadataStore> store_;
  int made_ = 0;
  std::set<std::string> shown_;
};

/// Found: what a killed process had written was shown by the next before it was on the disk, and went with the power.
TEST(StorePowerLoss, at_any_step_keeps_what_was_shown) {
  skymoor::testing::for_each_seed(16, [](std::uint64_t seed, const std::string&) {
    Lives lives(seed);
    for (int life = 0; life < 60; ++life) lives.live();
  });
}

}  // namespace
}  // namespace skymoor::server
