// A whole set of services over a temporary directory, simulated time, and users and devices to call them with.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "backend-server/block_store/partial_blocks.h"
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/services.h"
#include "shared/crypto/hash.h"
#include "shared/sqlite/database.h"
#include "tests/support/fake_block_store.h"
#include "tests/support/temp_dir.h"

namespace skymoor::server {

/// Moves only when told to. Thread-safe.
class ManualClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp{std::chrono::nanoseconds{now_.load()}}; }
  Instant monotonic() const override { return Instant{std::chrono::nanoseconds{now_.load()}}; }
  void advance(std::chrono::nanoseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'700'000'000'000'000'000};
};

/// A device of a user, with what it needs to log in and to sign.
struct TestDevice {
  std::string user_name;
  Caller caller;
  crypto::KeyPair key;
  protocol::DevicePublic device;
};

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    ServiceOptions options;
    options.directory = directory_.path();
    options.accounts = accounts_;
    options.login_limits = limits_;
    options.default_quota_bytes = quota_bytes_;
    options.refresh_retry = refresh_retry_;
    options.free_bytes = [] { return std::uint64_t{1} << 40; };
    auto opened = Services::open(options, {disk_, blocks_, partial_, clock_, random_});
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    services_ = *std::move(opened);
  }
  void reopen() {
    services_.reset();
    open();
  }

  static AccountService::Options small_accounts() {
    AccountService::Options options;
    options.server_name = "test.example";
    options.scrypt_log_n = 4;
    return options;
  }

  TestDevice make_device(const std::string& user_name, const std::string& name = "laptop") {
    TestDevice made;
    made.user_name = user_name;
    made.key = crypto::ed25519_generate(random_);
    random_.fill(made.device.id.value);
    made.device.name = name;
    made.device.signing_key.assign(made.key.public_key.begin(), made.key.public_key.end());
    made.device.sealing_key = Bytes(32, 7);
    made.caller.device = made.device.id;
    made.caller.session = "test";
    made.caller.remote_address = "192.0.2.1";
    return made;
  }

  /// A user with a device, entered without a login.
  TestDevice add_user(const std::string& name) {
    TestDevice made = make_device(name);
    random_.fill(made.caller.user.value);
    UserRow row{made.caller.user, name, Bytes(32, 1), Bytes(129, 2), false, keys(), clock_.now()};
    expect_ok(services_->store().update([&](Tables& tables) -> Status {
      TRY(tables.accounts.insert_user(row));
      return tables.accounts.insert_device({made.device, made.caller.user, clock_.now(), clock_.now(), false});
    }));
    return made;
  }
  TestDevice add_device(const TestDevice& of) {
    TestDevice made = make_device(of.user_name, "phone");
    made.caller.user = of.caller.user;
    expect_ok(services_->store().update([&](Tables& tables) {
      return tables.accounts.insert_device({made.device, made.caller.user, clock_.now(), clock_.now(), false});
    }));
    return made;
  }
  void add_member(const VolumeId& volume, const TestDevice& who, protocol::Role role) {
    expect_ok(services_->store().update([&](Tables& tables) -> Status {
      auto row = TRY(tables.volumes.find(volume));
      return tables.volumes.put_member(row->number, {who.caller.user, role, Bytes(80, 3), clock_.now()});
    }));
  }

  VolumeId add_volume(const TestDevice& owner) {
    protocol::CreateVolume request;
    random_.fill(request.id.value);
    request.sealed_key = Bytes(80, 1);
    request.sealed_label = Bytes(48, 2);
    auto made = services_->volumes().create(owner.caller, request);
    EXPECT_TRUE(made.ok());
    return request.id;
  }
  protocol::VolumeInfo info(const TestDevice& who, const VolumeId& volume) {
    auto found = services_->volumes().info(who.caller, volume);
    EXPECT_TRUE(found.ok());
    return found.value_or({});
  }

  protocol::UserKeys keys() const {
    protocol::UserKeys keys;
    keys.sealing_key = keys.signing_key = keys.recovery_verifier = Bytes(32, 9);
    keys.password_wrap = keys.recovery_wrap = Bytes(64, 8);
    return keys;
  }

  /// SHA-256 over every row of every table, as a second connection sees them.
  std::string state_hash() {
    auto db = sqlite::Database::open(directory_ / "metadata.db", {.read_only = true});
    EXPECT_TRUE(db.ok());
    crypto::Sha256 hash;
    for (const std::string& table : texts(**db, "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")) {
      std::string row = "'" + table + "'";
      for (const std::string& column : texts(**db, "SELECT name FROM pragma_table_info('" + table + "')"))
        row += "||','||quote(" + column + ")";
      for (const std::string& text : texts(**db, "SELECT " + row + " AS r FROM " + table + " ORDER BY r"))
        hash.update(as_bytes(text + "\n"));
    }
    return hash.finish().hex();
  }

  static void expect_ok(const Status& status) { EXPECT_TRUE(status.ok()) << status.error().to_string(); }
  template <typename T>
  static T value_of(Result<T> result) {
    EXPECT_TRUE(result.ok()) << result.error().to_string();
    return result.ok() ? *std::move(result) : T{};
  }
  template <typename T>
  static Code code_of(const Result<T>& result) {
    return result.ok() ? Code{} : result.error().code();
  }

  testing::TempDir directory_;
  ManualClock clock_;
  SystemRandom random_;
  PosixDisk disk_;
  FakeBlockStore blocks_;
  PartialBlocks partial_{clock_};
  AccountService::Options accounts_ = small_accounts();
  KeyService::Limits limits_;
  std::uint64_t quota_bytes_ = 0;
  std::chrono::seconds refresh_retry_{0};
  std::unique_ptr<Services> services_;

 private:
  static std::vector<std::string> texts(sqlite::Database& db, const std::string& sql) {
    auto statement = db.prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().to_string();
    std::vector<std::string> all;
    while (statement->step().value_or(false)) all.emplace_back(statement->text(0));
    return all;
  }
};

}  // namespace skymoor::server
