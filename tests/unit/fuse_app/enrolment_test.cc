#include "fuse/app/account/enrolment.h"

#include <gtest/gtest.h>

#include "tests/unit/fuse_app/fake_account_server.h"

namespace skymoor::client {
namespace {

class EnrolmentTest : public ::testing::Test {
 protected:
  EnrolmentTest() { http_ = std::move(*HttpClient::open({.base_url = server_.url(), .trust = {}})); }
  Account device(const std::string& name) {
    Account account = make_device(name, random_);
    account.server_url = server_.url();
    account.user_name = "ada";
    return account;
  }
  static crypto::SecretBytes password(std::string_view text) { return crypto::SecretBytes(as_bytes(text)); }
  Result<Enrolled> sign_up_ada(const std::function<Status()>& before = [] { return Status(); }) {
    AccountRemote remote(*http_);
    return sign_up(remote, device("one"), password("correct horse"), recovery_, clock_, random_, before);
  }

  FakeAccountServer server_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<HttpClient> http_;
  crypto::RecoveryCode recovery_ = crypto::RecoveryCode::generate(random_);
};

TEST_F(EnrolmentTest, ASecondDeviceGetsTheSameUserKeyFromThePassword) {
  auto first = sign_up_ada();
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  EXPECT_EQ(first->tokens.refresh_token, "refresh");
  auto second = log_in(*http_, device("two"), password("correct horse"), clock_, random_);
  ASSERT_TRUE(second.ok()) << second.error().to_string();
  EXPECT_TRUE(server_.signature_checked);
  EXPECT_EQ(second->user, first->user);
  EXPECT_EQ(to_bytes(second->user_key.seed.view()), to_bytes(first->user_key.seed.view()));
  ASSERT_EQ(server_.devices.size(), 2u);
  EXPECT_NE(server_.devices[0].id, server_.devices[1].id);
}

TEST_F(EnrolmentTest, TheRecoveryCodeOpensTheUserKeyToo) {
  auto first = sign_up_ada();
  ASSERT_TRUE(first.ok());
  const crypto::WrapContext context{"puk.recovery", to_bytes("ada"), 1, to_bytes("cloud")};
  auto code = crypto::RecoveryCode::parse(recovery_.text());
  auto seed = crypto::unwrap_key(code->secret.view(), context, server_.keys["ada"].recovery_wrap);
  ASSERT_TRUE(seed.ok());
  EXPECT_EQ(to_bytes(seed->view()), to_bytes(first->user_key.seed.view()));
}

TEST_F(EnrolmentTest, AWrongPasswordAndAnUnknownUserAreNotToldApart) {
  ASSERT_TRUE(sign_up_ada().ok());
  auto wrong = log_in(*http_, device("two"), password("wrong horse"), clock_, random_);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code(), Code::kWrongPassword);
  Account nobody = device("two");
  nobody.user_name = "grace";
  auto unknown = log_in(*http_, nobody, password("correct horse"), clock_, random_);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().message(), wrong.error().message());
}

TEST_F(EnrolmentTest, NothingIsSentWhenTheRecoveryCodeCannotBeStored) {
  auto failed = sign_up_ada([]() -> Status { return Error(Code::kNoSpace, "disk full"); });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), Code::kNoSpace);
  EXPECT_TRUE(server_.keys.empty());
}

TEST_F(EnrolmentTest, ATakenNameIsSaidSo) {
  ASSERT_TRUE(sign_up_ada().ok());
  EXPECT_EQ(sign_up_ada().error().code(), Code::kAlreadyExists);
}

TEST_F(EnrolmentTest, AServerThatMakesPasswordsCheapToGuessIsRefused) {
  server_.scrypt_log_n = 3;
  EXPECT_EQ(sign_up_ada().error().code(), Code::kUnknownServer);
  EXPECT_EQ(log_in(*http_, device("x"), password("correct horse"), clock_, random_).error().code(), Code::kUnknownServer);
}

TEST_F(EnrolmentTest, KeysThatDoNotFitEachOtherAreRefused) {
  ASSERT_TRUE(sign_up_ada().ok());
  server_.swap_bundle = true;
  auto swapped = log_in(*http_, device("two"), password("correct horse"), clock_, random_);
  ASSERT_FALSE(swapped.ok());
  EXPECT_EQ(swapped.error().code(), Code::kBadSignature);
}

}  // namespace
}  // namespace skymoor::client
