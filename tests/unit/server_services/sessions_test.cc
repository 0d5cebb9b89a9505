// Access and refresh tokens.
#include "backend-server/services/verified_tokens.h"
#include "shared/crypto/token.h"
#include "tests/unit/server_services/login_fixture.h"

namespace skymoor::server {
namespace {

class SessionsTest : public LoginFixture {
 protected:
  void SetUp() override {
    LoginFixture::SetUp();
    session_ = value_of(sign_up("ann", "pw", make_device("ann")));
  }
  Code verify_code(const std::string& token) { return code_of(services_->sessions().verify(token, address_)); }
  Code refresh_code(const std::string& token) { return code_of(services_->sessions().refresh(token, address_)); }
  protocol::Session session_;
};

TEST_F(SessionsTest, access_tokens_name_the_caller_and_expire) {
  Caller caller = verified(session_);
  EXPECT_EQ(caller.user, session_.user);
  EXPECT_EQ(caller.remote_address, address_);
  EXPECT_EQ(session_.expires_in_s, 600);
  clock_.advance(std::chrono::minutes(11));
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, access_tokens_survive_a_restart) {
  reopen();
  EXPECT_EQ(verify_code(session_.access_token), Code{});
}

// The signature of a token that was seen before is not checked again: everything else is.
TEST_F(SessionsTest, a_remembered_token_still_expires_by_the_clock_of_now) {
  ASSERT_EQ(verify_code(session_.access_token), Code{});
  clock_.advance(std::chrono::seconds(629));
  EXPECT_EQ(verify_code(session_.access_token), Code{}) << "30 s of skew";
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
  clock_.advance(-std::chrono::minutes(5));
  EXPECT_EQ(verify_code(session_.access_token), Code{}) << "the clock went back";
  clock_.advance(-std::chrono::seconds(361));
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated) << "not begun by this clock";
}

TEST_F(SessionsTest, a_remembered_token_of_a_revoked_session_or_device_is_refused) {
  auto other = value_of(log_in("ann", "pw", make_device("ann")));
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(verify_code(session_.access_token), Code{});
    ASSERT_EQ(verify_code(other.access_token), Code{});
  }
  expect_ok(services_->sessions().logout(verified(session_)));
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
  const Caller caller = verified(other);
  expect_ok(services_->accounts().revoke_device(caller, caller.device));
  EXPECT_EQ(verify_code(other.access_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, no_byte_of_a_remembered_token_can_be_changed) {
  const std::string good = session_.access_token;
  ASSERT_EQ(verify_code(good), Code{});
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    ASSERT_EQ(verify_code(changed), Code::kUnauthenticated) << i;
    ASSERT_EQ(verify_code(good.substr(0, i)), Code::kUnauthenticated) << i;
  }
  EXPECT_EQ(verify_code(good + "="), Code::kUnauthenticated);
  EXPECT_EQ(verify_code(good), Code{});
}

TEST_F(SessionsTest, many_threads_use_many_tokens_while_some_are_revoked) {
  constexpr int kSessions = 6;
  std::vector<protocol::Session> sessions;
  for (int i = 0; i < kSessions; ++i) sessions.push_back(value_of(log_in("ann", "pw", make_device("ann"))));
  std::atomic<bool> revoked{false};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const bool was_revoked = revoked;
          const int which = (i + t) % kSessions;
          const bool good = verify_code(sessions[static_cast<std::size_t>(which)].access_token) == Code{};
          if (which > 0 ? !good : was_revoked && good) ++wrong;
        }
      });
    expect_ok(services_->sessions().logout(verified(sessions[0])));
    revoked = true;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(verified_tokens, holds_no_more_than_its_limit_and_forgets_what_was_not_asked_for_longest) {
  VerifiedTokens tokens(3);
  auto name = [](std::uint8_t n) {
    Hash256 hash;
    hash.value.fill(n);
    return hash;
  };
  auto claims = [](std::uint8_t n) {
    crypto::AccessClaims made;
    made.session = std::to_string(n);
    return made;
  };
  for (std::uint8_t n = 1; n <= 3; ++n) tokens.add(name(n), claims(n));
  ASSERT_TRUE(tokens.find(name(1)));
  tokens.add(name(4), claims(4));
  tokens.add(name(4), claims(4));
  EXPECT_EQ(tokens.size(), 3u);
  EXPECT_FALSE(tokens.find(name(2)));
  for (std::uint8_t n : {1, 3, 4}) {
    auto found = tokens.find(name(n));
    ASSERT_TRUE(found) << int{n};
    EXPECT_EQ(found->session, std::to_string(n));
  }
  for (int n = 0; n < 1000; ++n) {
    Hash256 hash;
    std::memcpy(hash.value.data(), &n, sizeof n);
    tokens.add(hash, {});
    ASSERT_LE(tokens.size(), 3u);
  }
}

TEST_F(SessionsTest, garbled_foreign_and_unsigned_tokens_are_refused_with_one_message) {
  auto other_key = crypto::ed25519_generate(random_);
  crypto::AccessClaims claims{session_.user, {}, verified(session_).session, "skymoor-api", clock_.now(),
                              clock_.now() + std::chrono::minutes(5), true};
  std::string first;
  for (const std::string& token :
       {std::string(), std::string("x.y.z"), session_.refresh_token, session_.access_token + "A",
        crypto::sign_access_token(other_key, accounts_.server_name, claims)}) {
    auto refused = services_->sessions().verify(token, address_);
    ASSERT_EQ(code_of(refused), Code::kUnauthenticated) << token;
    if (first.empty()) first = refused.error().to_string();
    EXPECT_EQ(refused.error().to_string(), first);
  }
}

TEST_F(SessionsTest, refresh_rotates_and_keeps_the_session_for_long) {
  std::string session = verified(session_).session;
  for (int i = 0; i < 5; ++i) {
    clock_.advance(std::chrono::hours(24 * 60));
    session_ = value_of(services_->sessions().refresh(session_.refresh_token, address_));
    EXPECT_EQ(verified(session_).session, session);
  }
  clock_.advance(std::chrono::hours(24 * 91));
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, a_refresh_token_used_twice_ends_the_whole_family) {
  auto next = value_of(services_->sessions().refresh(session_.refresh_token, address_));
  EXPECT_EQ(verify_code(next.access_token), Code{});
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(next.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(verify_code(next.access_token), Code::kUnauthenticated);
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, reuse_is_noticed_after_a_restart) {
  auto next = value_of(services_->sessions().refresh(session_.refresh_token, address_));
  reopen();
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(next.refresh_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, a_clock_that_jumps_costs_at_most_a_new_login) {
  const auto device = make_device("ann", "second");
  for (const auto jump : {std::chrono::hours(1), -std::chrono::hours(1), std::chrono::hours(24 * 3653),
                          -std::chrono::hours(24 * 3653), -std::chrono::hours(24 * 3653), std::chrono::hours(24 * 3653)}) {
    auto session = value_of(log_in("ann", "pw", device));
    EXPECT_EQ(verify_code(session.access_token), Code{});
    clock_.advance(jump);
    EXPECT_EQ(verify_code(session.access_token), Code::kUnauthenticated);
    auto renewed = services_->sessions().refresh(session.refresh_token, address_);
    if (renewed.ok()) {
      EXPECT_EQ(verify_code(renewed->access_token), Code{}) << "a renewed token is good by the clock of now";
    } else {
      EXPECT_EQ(renewed.error().code(), Code::kUnauthenticated);
      EXPECT_GT(jump.count(), 1) << "only years to come end a session";
    }
    auto again = value_of(log_in("ann", "pw", device));
    EXPECT_EQ(verify_code(again.access_token), Code{});
  }
}

TEST_F(SessionsTest, a_lost_answer_may_be_asked_for_again_where_that_is_allowed) {
  refresh_retry_ = std::chrono::seconds(60);
  reopen();
  auto lost = value_of(services_->sessions().refresh(session_.refresh_token, address_));
  clock_.advance(std::chrono::seconds(59));
  auto again = value_of(services_->sessions().refresh(session_.refresh_token, address_));
  EXPECT_EQ(again.refresh_token, lost.refresh_token);
  EXPECT_EQ(verify_code(again.access_token), Code{});
  auto next = value_of(services_->sessions().refresh(again.refresh_token, address_));
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated) << "its successor was used";
  EXPECT_EQ(verify_code(next.access_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, a_lost_answer_is_not_given_again_for_ever) {
  refresh_retry_ = std::chrono::seconds(60);
  reopen();
  auto next = value_of(services_->sessions().refresh(session_.refresh_token, address_));
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(next.refresh_token), Code::kUnauthenticated);
}

TEST_F(SessionsTest, a_disabled_user_is_out_at_once) {
  auto set = [&](bool disabled) {
    expect_ok(services_->store().update(
        [&](Tables& tables) { return tables.accounts.set_disabled(session_.user, disabled); }));
  };
  set(true);
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(code_of(log_in("ann", "pw", make_device("ann"))), Code::kForbidden);
  set(false);
  EXPECT_EQ(verify_code(session_.access_token), Code{});
  EXPECT_EQ(refresh_code(session_.refresh_token), Code{});
}

TEST_F(SessionsTest, refresh_refuses_what_is_no_refresh_token) {
  EXPECT_EQ(refresh_code(""), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(session_.access_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(base64url_encode(Bytes(32, 1))), Code::kUnauthenticated);
}

TEST_F(SessionsTest, logout_ends_one_session_only) {
  auto other = value_of(log_in("ann", "pw", make_device("ann")));
  expect_ok(services_->sessions().logout(verified(session_)));
  EXPECT_EQ(verify_code(session_.access_token), Code::kUnauthenticated);
  EXPECT_EQ(refresh_code(session_.refresh_token), Code::kUnauthenticated);
  EXPECT_EQ(verify_code(other.access_token), Code{});
}

TEST_F(SessionsTest, tokens_are_stored_as_hashes_only) {
  services_.reset();
  Bytes secret = value_of(base64url_decode(session_.refresh_token));
  for (const char* name : {"metadata.db", "metadata.db-wal"}) {
    if (!disk_.exists(directory_ / name)) continue;
    Bytes content = value_of(read_file(disk_, directory_ / name, 64u << 20));
    EXPECT_EQ(std::search(content.begin(), content.end(), secret.begin(), secret.end()), content.end());
    EXPECT_EQ(as_text(content).find(session_.refresh_token), std::string_view::npos);
  }
}

}  // namespace
}  // namespace skymoor::server
