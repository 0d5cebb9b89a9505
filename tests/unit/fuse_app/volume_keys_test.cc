#include "fuse/app/account/volume_keys.h"

#include <gtest/gtest.h>

#include "fuse/app/account/enrolment.h"
#include "shared/crypto/volume_cipher.h"
#include "tests/unit/fuse_app/fake_account_server.h"

namespace skymoor::client {
namespace {

class OneSession final : public SessionStore {
 public:
  Result<SessionTokens> load() override {
    return SessionTokens{"refresh", "access", SystemClock().now() + std::chrono::hours(1)};
  }
  Result<std::unique_ptr<Turn>> take_turn(const CallOptions&) override {
    class Free final : public Turn {
      Status save(const SessionTokens&) override { return {}; }
    };
    return std::unique_ptr<Turn>(std::make_unique<Free>());
  }
};

class VolumeKeysTest : public ::testing::Test {
 protected:
  VolumeKeysTest() {
    account_.user_key = crypto::UserKey::generate(random_);
    http_ = std::move(*HttpClient::open({.base_url = server_.url(), .trust = {}}));
    session_ = std::make_unique<RemoteSession>(*http_, store_, clock_);
    remote_ = std::make_unique<AccountRemote>(*http_, *session_);
  }
  Result<ListedVolume> create(const std::string& label) {
    return create_volume(*remote_, account_, label, protocol::VolumeKind::kPrivate, random_, {});
  }

  FakeAccountServer server_;
  SystemClock clock_;
  SystemRandom random_;
  Account account_ = make_device("d", random_);
  OneSession store_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<RemoteSession> session_;
  std::unique_ptr<AccountRemote> remote_;
};

TEST_F(VolumeKeysTest, AVolumeIsFoundByTheNameOnlyItsOwnerCanRead) {
  auto made = create("photos");
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  ASSERT_TRUE(create("home").ok());
  EXPECT_EQ(as_text(server_.volumes[0].sealed_label).find("photos"), std::string_view::npos);
  auto found = find_volume(*remote_, account_, "photos", {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_EQ(found->info.id, made->info.id);
  EXPECT_EQ(to_bytes(found->key.seed.view()), to_bytes(made->key.seed.view()));
  EXPECT_EQ(find_volume(*remote_, account_, made->info.id.hex(), {})->label, "photos");
  auto listed = list_volumes(*remote_, account_, {});
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ(listed->at(0).label, "home");
}

TEST_F(VolumeKeysTest, ASecondOfTheNameIsRefusedAndAnUnknownOneNamesTheOthers) {
  ASSERT_TRUE(create("home").ok());
  EXPECT_EQ(create("home").error().code(), Code::kAlreadyExists);
  auto missing = find_volume(*remote_, account_, "nothing", {});
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_NE(missing.error().message().find("nothing"), std::string::npos);
  EXPECT_NE(missing.error().message().find("home"), std::string::npos);
}

TEST_F(VolumeKeysTest, AVolumeSealedToSomebodyElseIsListedClosed) {
  ASSERT_TRUE(create("home").ok());
  const std::string id = server_.volumes[0].id.hex();
  account_.user_key = crypto::UserKey::generate(random_);
  EXPECT_FALSE(list_volumes(*remote_, account_, {})->at(0).why_closed.empty());
  EXPECT_EQ(find_volume(*remote_, account_, id, {}).error().code(), Code::kCorrupt);
}

// A server knows the user's public keys: it may seal a key of its own to them, to read what a new device writes.
TEST_F(VolumeKeysTest, AKeyThatTheServerMadeIsNotTaken) {
  const auto made = create("home");
  ASSERT_TRUE(made.ok());
  const VolumeId id = made->info.id;
  const auto its = crypto::VolumeKey::generate(id, random_);
  protocol::VolumeInfo& shown = server_.volumes[0];
  shown.sealed_label = crypto::VolumeCipher(its).seal_name(InodeId{0}, InodeId{0}, "home");
  const auto keys = crypto::UserKey::generate(random_);
  shown.sealed_key = crypto::seal_volume_key(its, account_.user_key.sealing_key().public_key, keys.signing_key(), random_);
  const auto listed = list_volumes(*remote_, account_, {});
  ASSERT_TRUE(listed.ok());
  EXPECT_TRUE(listed->at(0).key.seed.empty());
  EXPECT_NE(listed->at(0).why_closed.find("did not sign"), std::string::npos) << listed->at(0).why_closed;
  EXPECT_EQ(find_volume(*remote_, account_, id.hex(), {}).error().code(), Code::kCorrupt);
  const auto found = find_volume(*remote_, account_, "home", {});
  EXPECT_EQ(found.error().code(), Code::kNotFound);
  EXPECT_NE(found.error().message().find("did not sign"), std::string::npos) << found.error().message();
}

TEST_F(VolumeKeysTest, AnotherVolumeInTheAnswerIsNotTaken) {
  ASSERT_TRUE(create("home").ok());
  server_.answer_with_first = true;
  EXPECT_EQ(create("photos").error().code(), Code::kBadSignature);
}

TEST(VolumeLabel, IsFitForPathsAndOptions) {
  for (const char* good : {"home", "my photos 2026", "a.b_c-d"}) EXPECT_TRUE(check_volume_label(good).ok()) << good;
  for (const char* bad : {"", "a/b", "a,b", " a", "a ", "-o", "a\nb"}) EXPECT_FALSE(check_volume_label(bad).ok()) << bad;
  EXPECT_FALSE(check_volume_label(std::string(65, 'x')).ok());
}

}  // namespace
}  // namespace skymoor::client
