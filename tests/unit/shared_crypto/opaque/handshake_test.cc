// The front door: register, log in, and everything that must not log in.
#include <set>

#include "shared/crypto/opaque.h"
#include "tests/unit/shared_crypto/inputs.h"

namespace skymoor::crypto::opaque {
namespace {

class HandshakeTest : public ::testing::Test {
 protected:
  static Parameters parameters(std::uint32_t log_n = 4) { return {log_n, "drive.example", "ada"}; }
  static SecretBytes password(std::string_view text = "correct horse") { return SecretBytes(as_bytes(text)); }

  ClientRegistration::Outcome registered(const Parameters& with = parameters()) {
    const ClientRegistration client(with, password(), random_);
    const auto response = server_registration_response(secrets_, credential_, client.request());
    EXPECT_TRUE(response.ok());
    auto outcome = client.finish(*response);
    EXPECT_TRUE(outcome.ok());
    return std::move(*outcome);
  }
  Result<ServerLogin> answer(ByteView record, const ClientLogin& client) {
    return server_login(secrets_, parameters(), record, credential_, client.ke1(), random_);
  }

  RepeatableRandom random_;
  ServerSecrets secrets_ = ServerSecrets::generate(random_);
  Bytes credential_ = to_bytes("credential 1");
};

TEST_F(HandshakeTest, SizesAreThoseOfTheFrontDoor) {
  const ClientRegistration registration(parameters(), password(), random_);
  EXPECT_EQ(registration.request().size(), kElementBytes);
  EXPECT_EQ(server_registration_response(secrets_, credential_, registration.request())->size(),
            kRegistrationResponseBytes);
  const auto outcome = registered();
  EXPECT_EQ(outcome.record.size(), kRecordBytes);
  EXPECT_EQ(outcome.export_key.size(), 32u);
  const ClientLogin login(parameters(), password(), random_);
  EXPECT_EQ(login.ke1().size(), kKe1Bytes);
  const auto server = answer(outcome.record, login);
  EXPECT_EQ(server->ke2.size(), kKe2Bytes);
  EXPECT_EQ(server->expected_ke3.size(), kKe3Bytes);
}

TEST_F(HandshakeTest, BothSidesAgreeAndTheExportKeyComesBack) {
  const auto outcome = registered();
  std::set<std::string> session_keys;
  for (int i = 0; i < 3; ++i) {
    const ClientLogin client(parameters(), password(), random_);
    const auto server = answer(outcome.record, client);
    ASSERT_TRUE(server.ok());
    const auto login = client.finish(server->ke2);
    ASSERT_TRUE(login.ok());
    EXPECT_TRUE(constant_time_equal(login->ke3, server->expected_ke3));
    EXPECT_EQ(hex_of(login->session_key), hex_of(server->session_key));
    EXPECT_EQ(hex_of(login->export_key), hex_of(outcome.export_key));
    session_keys.insert(hex_of(login->session_key));
  }
  EXPECT_EQ(session_keys.size(), 3u);
}

TEST_F(HandshakeTest, WrongPassword) {
  const auto outcome = registered();
  for (const char* guess : {"", "correct hors", "correct horse ", "Correct horse"}) {
    const ClientLogin client(parameters(), password(guess), random_);
    EXPECT_EQ(client.finish(answer(outcome.record, client)->ke2).error().code(), Code::kWrongPassword) << guess;
  }
}

TEST_F(HandshakeTest, SamePasswordOfAnotherUserServerOrCredential) {
  const auto outcome = registered();
  Parameters other_user = parameters(), other_server = parameters();
  other_user.user_name = "eve";
  other_server.server_name = "drive.evil";
  for (const Parameters& with : {other_user, other_server}) {
    const ClientLogin client(with, password(), random_);
    const auto server = server_login(secrets_, with, outcome.record, credential_, client.ke1(), random_);
    EXPECT_EQ(client.finish(server->ke2).error().code(), Code::kWrongPassword);
  }
  const ClientLogin client(parameters(), password(), random_);
  const auto server =
      server_login(secrets_, parameters(), outcome.record, as_bytes("credential 2"), client.ke1(), random_);
  EXPECT_EQ(client.finish(server->ke2).error().code(), Code::kWrongPassword);
}

TEST_F(HandshakeTest, AServerWithAnotherKeyIsNoticed) {  // it holds the stolen record and OPRF seed, not the key
  const auto outcome = registered();
  ServerSecrets thief = ServerSecrets::generate(random_);
  thief.oprf_seed = secrets_.oprf_seed.clone();
  const ClientLogin client(parameters(), password(), random_);
  const auto server = server_login(thief, parameters(), outcome.record, credential_, client.ke1(), random_);
  EXPECT_EQ(client.finish(server->ke2).error().code(), Code::kWrongPassword);

  ServerSecrets half = std::move(*ServerSecrets::parse(secrets_.serialize().view()));
  half.private_key = thief.private_key.clone();  // claims the public key without having the private one
  const ClientLogin second(parameters(), password(), random_);
  const auto claimed = server_login(half, parameters(), outcome.record, credential_, second.ke1(), random_);
  EXPECT_EQ(second.finish(claimed->ke2).error().code(), Code::kWrongPassword);
}

TEST_F(HandshakeTest, ACheaperStretchingCannotBeAgreedOn) {
  const auto outcome = registered();
  const ClientLogin client(parameters(4), password(), random_);
  const auto server = server_login(secrets_, parameters(3), outcome.record, credential_, client.ke1(), random_);
  EXPECT_EQ(client.finish(server->ke2).error().code(), Code::kWrongPassword);
}

TEST_F(HandshakeTest, NoFlippedBitOfKe2LogsIn) {
  const auto outcome = registered();
  const ClientLogin client(parameters(), password(), random_);
  const auto server = answer(outcome.record, client);
  ASSERT_TRUE(client.finish(server->ke2).ok());
  for (std::size_t bit = 0; bit < kKe2Bytes * 8; bit += 3) {
    Bytes damaged = server->ke2;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto login = client.finish(damaged);
    ASSERT_FALSE(login.ok()) << bit;
    const Code code = login.error().code();
    ASSERT_TRUE(code == Code::kWrongPassword || code == Code::kInvalidArgument) << bit;
  }
}

TEST_F(HandshakeTest, AReplayedKe2DoesNotLogInToAnotherHello) {
  const auto outcome = registered();
  const ClientLogin first(parameters(), password(), random_), second(parameters(), password(), random_);
  const auto server = answer(outcome.record, first);
  EXPECT_FALSE(second.finish(server->ke2).ok());
}

// What a hostile client may put where a point belongs.
std::vector<Bytes> bad_points() {
  std::vector<Bytes> points{Bytes(33), Bytes(33, 0xff)};
  points.push_back(hex("020000000000000000000000000000000000000000000000000000000000000001"));  // off the curve
  points.push_back(hex("02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"));  // x = p
  points.push_back(hex("03ffffffff00000001000000000000000000000001000000000000000000000004"));  // x = p + 5
  points.push_back(hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"));
  return points;
}

TEST_F(HandshakeTest, MalformedKe1) {
  const auto outcome = registered();
  const ClientLogin client(parameters(), password(), random_);
  const Bytes ke1 = client.ke1();
  const auto code_for = [&](ByteView bytes, ByteView record) {
    const auto server = server_login(secrets_, parameters(), record, credential_, bytes, random_);
    return server.ok() ? Code::kInternal : server.error().code();
  };
  for (ByteView record : {ByteView(outcome.record), ByteView{}}) {
    for (std::size_t size : {0, 1, 33, 97})
      EXPECT_EQ(code_for(ByteView(ke1).first(size), record), Code::kInvalidArgument);
    EXPECT_EQ(code_for(Bytes(99, 2), record), Code::kInvalidArgument);
    for (const Bytes& point : bad_points())
      for (std::size_t at : {std::size_t{0}, kKe1Bytes - kElementBytes}) {
        Bytes bad = ke1;
        std::copy(point.begin(), point.end(), bad.begin() + static_cast<std::ptrdiff_t>(at));
        EXPECT_EQ(code_for(bad, record), Code::kInvalidArgument);
      }
  }
}

TEST_F(HandshakeTest, MalformedRegistration) {
  for (const Bytes& point : bad_points())
    EXPECT_EQ(server_registration_response(secrets_, credential_, point).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(server_registration_response(secrets_, credential_, {}).error().code(), Code::kInvalidArgument);

  const ClientRegistration client(parameters(), password(), random_);
  const Bytes response = *server_registration_response(secrets_, credential_, client.request());
  EXPECT_EQ(client.finish(ByteView(response).first(65)).error().code(), Code::kInvalidArgument);
  for (const Bytes& point : bad_points())
    for (std::ptrdiff_t at : {0, 33}) {
      Bytes bad = response;
      std::copy(point.begin(), point.end(), bad.begin() + at);
      EXPECT_EQ(client.finish(bad).error().code(), Code::kInvalidArgument);
    }
}

TEST_F(HandshakeTest, MalformedKe2) {
  const auto outcome = registered();
  const ClientLogin client(parameters(), password(), random_);
  const Bytes ke2 = answer(outcome.record, client)->ke2;
  EXPECT_EQ(client.finish({}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(client.finish(ByteView(ke2).first(258)).error().code(), Code::kInvalidArgument);
  for (const Bytes& point : bad_points())
    for (std::ptrdiff_t at : {0, 194}) {
      Bytes bad = ke2;
      std::copy(point.begin(), point.end(), bad.begin() + at);
      EXPECT_EQ(client.finish(bad).error().code(), Code::kInvalidArgument);
    }
}

TEST_F(HandshakeTest, DamagedRecordIsTheServersFault) {
  const ClientLogin client(parameters(), password(), random_);
  EXPECT_EQ(answer(Bytes(128), client).error().code(), Code::kCorrupt);
  EXPECT_EQ(answer(Bytes(129), client).error().code(), Code::kCorrupt);
}

TEST_F(HandshakeTest, AnUnknownUserGetsAnAnswerThatNobodyCanFinish) {
  const ClientLogin client(parameters(), password(), random_);
  const auto first = answer({}, client), second = answer({}, client);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->ke2.size(), kKe2Bytes);
  EXPECT_EQ(client.finish(first->ke2).error().code(), Code::kWrongPassword);
  // As for a known user: the same evaluated element for the same request, all else fresh.
  EXPECT_TRUE(std::equal(first->ke2.begin(), first->ke2.begin() + 33, second->ke2.begin()));
  EXPECT_FALSE(std::equal(first->ke2.begin() + 33, first->ke2.end(), second->ke2.begin() + 33));
  // The masked part hides the same bytes each time: unlike answers, one record behind them.
  const auto outcome = registered();
  const auto known = answer(outcome.record, client);
  EXPECT_TRUE(std::equal(known->ke2.begin(), known->ke2.begin() + 33, first->ke2.begin()));
}

TEST_F(HandshakeTest, ParametersOutOfBoundsAreSaidByFinish) {
  const ClientRegistration registration(parameters(40), password(), random_);
  EXPECT_TRUE(registration.request().empty());
  EXPECT_EQ(registration.finish(Bytes(66)).error().code(), Code::kInvalidArgument);
  const ClientLogin login(parameters(0), password(), random_);
  EXPECT_TRUE(login.ke1().empty());
  EXPECT_EQ(login.finish(Bytes(kKe2Bytes)).error().code(), Code::kInvalidArgument);
  const ClientLogin client(parameters(), password(), random_);
  EXPECT_EQ(server_login(secrets_, parameters(40), {}, credential_, client.ke1(), random_).error().code(),
            Code::kInvalidArgument);
}

TEST_F(HandshakeTest, PasswordChangeIsANewCredential) {
  const auto old_outcome = registered();
  credential_ = to_bytes("credential 2");
  const auto new_outcome = registered();
  EXPECT_NE(hex_of(old_outcome.export_key), hex_of(new_outcome.export_key));
  const ClientLogin client(parameters(), password(), random_);
  EXPECT_FALSE(client.finish(answer(old_outcome.record, client)->ke2).ok());
  EXPECT_TRUE(client.finish(answer(new_outcome.record, client)->ke2).ok());
}

}  // namespace
}  // namespace skymoor::crypto::opaque
