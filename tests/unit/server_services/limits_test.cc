// Limits on guessing: they hold for known and unknown names, survive a restart, and forgive who proves to be there.
#include <sys/stat.h>

#include <filesystem>

#include "tests/unit/server_services/login_fixture.h"

namespace skymoor::server {
namespace {

class LimitsTest : public LoginFixture {
 protected:
  void SetUp() override {
    LoginFixture::SetUp();
    device_ = std::make_unique<TestDevice>(make_device("ann"));
    value_of(sign_up("ann", "pw", *device_));
  }
  Code start_code(const std::string& user) { return code_of(start(user, "guess")); }
  std::unique_ptr<TestDevice> device_;
};

TEST_F(LimitsTest, five_starts_in_ten_minutes_then_one_a_minute) {
  for (const std::string user : {"ann", "nobody"}) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code(user), Code{}) << i;
    auto refused = start(user, "guess");
    ASSERT_EQ(code_of(refused), Code::kRateLimited);
    EXPECT_EQ(refused.error().message(), "too many logins were tried; try again in 60 s");
  }
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(start_code("ann"), Code{});
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
  clock_.advance(std::chrono::minutes(11));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{}) << i;
}

/// Whoever knows a name can use up its limit, but lock nobody out who was in before.
TEST_F(LimitsTest, a_device_of_the_user_has_limits_of_its_own) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
  address_ = "203.0.113.9";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(code_of(start("ann", "pw", device_.get())), Code{}) << i;
  EXPECT_EQ(code_of(start("ann", "pw", device_.get())), Code::kRateLimited);
}

TEST_F(LimitsTest, only_a_device_of_that_user_that_is_not_revoked_and_proves_it) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  TestDevice wrong_key = make_device("ann");
  wrong_key.device.id = device_->device.id;
  EXPECT_EQ(code_of(start("ann", "pw", &wrong_key)), Code::kRateLimited);
  const TestDevice never_seen = make_device("ann");
  EXPECT_EQ(code_of(start("ann", "pw", &never_seen)), Code::kRateLimited);
  TestDevice bobs = make_device("bob");
  value_of(sign_up("bob", "pw", bobs));
  EXPECT_EQ(code_of(start("ann", "pw", &bobs)), Code::kRateLimited);
  clock_.advance(std::chrono::hours(1));
  TestDevice second = make_device("ann");
  const Caller ann = verified(value_of(log_in("ann", "pw", second)));
  ASSERT_TRUE(services_->accounts().revoke_device(ann, device_->device.id).ok());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  EXPECT_EQ(code_of(start("ann", "pw", device_.get())), Code::kRateLimited);
}

TEST_F(LimitsTest, survive_a_restart) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  reopen();
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
}

TEST_F(LimitsTest, survive_the_loss_of_the_database) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  services_.reset();
  for (const char* name : {"metadata.db", "metadata.db-wal", "metadata.db-shm"})
    std::filesystem::remove(directory_ / name);
  open();
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
}

TEST_F(LimitsTest, a_login_clears_the_guesses_from_its_network_only) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(start_code("ann"), Code{});
  value_of(log_in("ann", "pw", *device_));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(start_code("ann"), Code{});
  address_ = "198.51.100.1";
  value_of(log_in("ann", "pw", *device_));
  address_ = "203.0.113.9";
  EXPECT_EQ(start_code("ann"), Code{});
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
}

TEST_F(LimitsTest, many_logins_that_succeed_are_no_guesses) {
  for (int i = 0; i < 20; ++i) value_of(log_in("ann", "pw", *device_));
}

TEST_F(LimitsTest, a_hundred_a_day) {
  for (int i = 0; i < 100; ++i) {
    address_ = "10.0." + std::to_string(i) + ".1";
    EXPECT_EQ(start_code("ann"), Code{}) << i;
    clock_.advance(std::chrono::minutes(2));
  }
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(start_code("ann"), Code{});
}

TEST_F(LimitsTest, a_network_has_a_hundred_an_hour_over_all_names) {
  address_ = "10.1.2.0";
  for (int i = 0; i < 100; ++i) {
    address_ = "10.1.2." + std::to_string(i);
    EXPECT_EQ(start_code("user" + std::to_string(i)), Code{}) << i;
  }
  EXPECT_EQ(start_code("another"), Code::kRateLimited);
  EXPECT_EQ(code_of(sign_up("eve", "pw", make_device("eve"))), Code::kRateLimited);
  address_ = "10.1.3.1";
  EXPECT_EQ(start_code("another"), Code{});
  address_ = "10.1.2.1";
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(start_code("another"), Code{});
}

TEST_F(LimitsTest, a_clock_that_goes_back_neither_frees_nor_locks_out) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
  clock_.advance(-std::chrono::hours(5));
  EXPECT_EQ(start_code("ann"), Code::kRateLimited);
  clock_.advance(std::chrono::hours(5) + std::chrono::minutes(11));
  EXPECT_EQ(start_code("ann"), Code{});
}

// Guesses of a time that is still to come counted as made just now, for as long as that time had not come.
TEST_F(LimitsTest, guesses_made_while_the_clock_was_years_ahead_age_like_all_others) {
  for (const auto ahead : {std::chrono::hours(1), std::chrono::hours(24 * 3653)}) {
    clock_.advance(ahead);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{});
    clock_.advance(-ahead);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(start_code("ann"), Code::kRateLimited) << "still guesses";
    reopen();
    clock_.advance(std::chrono::minutes(11));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(start_code("ann"), Code{}) << i;
    clock_.advance(std::chrono::hours(25));
  }
}

TEST_F(LimitsTest, the_secret_is_kept_apart_and_to_its_owner) {
  struct stat status {};
  for (const char* name : {"keyservice.secret", "token.secret"}) {
    ASSERT_EQ(::stat((directory_ / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(LimitsTest, a_missing_or_damaged_secret_is_an_error_once_there_are_users) {
  services_.reset();
  std::string path = directory_ / "keyservice.secret";
  Bytes content = value_of(read_file(disk_, path, 4096));
  auto opened = [&] {
    ServiceOptions options;
    options.directory = directory_.path();
    options.accounts = accounts_;
    return code_of(Services::open(options, {disk_, blocks_, partial_, clock_, random_}));
  };
  Bytes damaged = content;
  damaged[20] ^= 1;
  expect_ok(write_file_durably(disk_, path, damaged));
  EXPECT_EQ(opened(), Code::kCorrupt);
  expect_ok(disk_.unlink(path));
  EXPECT_EQ(opened(), Code::kNotFound);
  expect_ok(write_file_durably(disk_, path, content));
  EXPECT_EQ(opened(), Code{});
}

}  // namespace
}  // namespace skymoor::server
