// The durable counters behind the limits on logins.
#include "backend-server/metadata_store/guess_store.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace skymoor::server {
namespace {

Timestamp at(std::chrono::nanoseconds since) { return Timestamp{std::chrono::hours(24 * 365 * 50) + since}; }
Hash256 account(std::uint8_t seed) {
  Hash256 hash;
  hash.value.fill(seed);
  return hash;
}

class GuessStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    auto opened = open_sqlite_guess_store(directory_ / "guesses.db");
    ASSERT_TRUE(opened.ok());
    store_ = *std::move(opened);
  }
  std::int64_t add(const Guess& guess) {
    auto added = store_->add(guess, [&](const GuessHistory& history) -> Status {
      seen_ = history;
      return {};
    });
    EXPECT_TRUE(added.ok());
    return added.value_or(0);
  }
  testing::TempDir directory_;
  std::unique_ptr<GuessStore> store_;
  GuessHistory seen_;
};

TEST_F(GuessStoreTest, shows_what_was_counted_for_the_account_and_for_the_network) {
  using std::chrono::minutes;
  add({account(1), "a", at(minutes(0))});
  add({account(1), "b", at(minutes(1))});
  add({account(2), "a", at(minutes(2))});
  add({{}, "a", at(minutes(3))});
  EXPECT_TRUE(seen_.account.empty());
  EXPECT_EQ(seen_.network, (std::vector{at(minutes(0)), at(minutes(2))}));
  add({account(1), "a", at(minutes(70))});
  EXPECT_EQ(seen_.account, (std::vector{at(minutes(0)), at(minutes(1))}));
  EXPECT_TRUE(seen_.network.empty()) << "older than an hour";
  add({account(1), "z", at(minutes(24 * 60 + 30))});
  EXPECT_EQ(seen_.account, (std::vector{at(minutes(70))})) << "older than a day";
}

TEST_F(GuessStoreTest, survives_opening_again_and_counts_nothing_that_was_refused) {
  add({account(1), "a", at({})});
  auto refused = store_->add({account(1), "a", at({})},
                             [](const GuessHistory&) -> Status { return Error(Code::kRateLimited, "no"); });
  EXPECT_FALSE(refused.ok());
  store_.reset();
  open();
  add({account(1), "a", at({})});
  EXPECT_EQ(seen_.account.size(), 1u);
}

TEST_F(GuessStoreTest, forgives_one_account_from_one_network) {
  add({account(1), "a", at({})});
  add({account(1), "b", at({})});
  add({account(2), "a", at({})});
  std::int64_t mine = add({account(1), "a", at({})});
  EXPECT_TRUE(store_->forgive(mine).ok());
  EXPECT_TRUE(store_->forgive(mine).ok()) << "twice is once";
  add({account(1), "c", at({})});
  EXPECT_EQ(seen_.account.size(), 1u);
  add({account(2), "a", at({})});
  EXPECT_EQ(seen_.account.size(), 1u);
  EXPECT_EQ(seen_.network.size(), 1u);
}

}  // namespace
}  // namespace skymoor::server
