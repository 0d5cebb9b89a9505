#include "shared/protocol/accounts.h"

#include <gtest/gtest.h>

namespace skymoor::protocol {
namespace {

DevicePublic some_device() {
  DevicePublic device;
  device.id.value.fill(0xab);
  device.name = "J\u00fcrgen's laptop";
  device.signing_key = Bytes(32, 1);
  device.sealing_key = Bytes(32, 2);
  return device;
}

UserKeys some_keys() {
  return {3, Bytes(32, 4), Bytes(32, 5), Bytes(80, 6), Bytes(81, 7), Bytes(32, 8)};
}

void expect_equal(const DevicePublic& a, const DevicePublic& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.signing_key, b.signing_key);
  EXPECT_EQ(a.sealing_key, b.sealing_key);
}

void expect_equal(const UserKeys& a, const UserKeys& b) {
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.sealing_key, b.sealing_key);
  EXPECT_EQ(a.signing_key, b.signing_key);
  EXPECT_EQ(a.password_wrap, b.password_wrap);
  EXPECT_EQ(a.recovery_wrap, b.recovery_wrap);
  EXPECT_EQ(a.recovery_verifier, b.recovery_verifier);
}

template <typename Message>
Message through_wire(const Message& message) {
  auto decoded = decode<Message>(as_bytes(encode(message)));
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message());
  return decoded.ok() ? *decoded : Message{};
}

TEST(Accounts, RegistrationRoundTrip) {
  RegisterStart start{"ada", Bytes(33, 9)};
  EXPECT_EQ(through_wire(start).user, "ada");
  EXPECT_EQ(through_wire(start).request, start.request);

  RegisterChallenge challenge{"reg-1", Bytes(66, 1), "skymoor", 15};
  auto challenge2 = through_wire(challenge);
  EXPECT_EQ(challenge2.registration_id, "reg-1");
  EXPECT_EQ(challenge2.response, challenge.response);
  EXPECT_EQ(challenge2.server_name, "skymoor");
  EXPECT_EQ(challenge2.scrypt_log_n, 15u);

  RegisterFinish finish{"reg-1", Bytes(129, 3), some_keys(), some_device()};
  auto finish2 = through_wire(finish);
  EXPECT_EQ(finish2.registration_id, "reg-1");
  EXPECT_EQ(finish2.record, finish.record);
  expect_equal(finish2.keys, finish.keys);
  expect_equal(finish2.device, finish.device);
}

TEST(Accounts, LoginRoundTrip) {
  EXPECT_EQ(through_wire(ParametersRequest{"bob"}).user, "bob");
  EXPECT_EQ(through_wire(LoginParameters{"here", 16}).scrypt_log_n, 16u);
  EXPECT_EQ(through_wire(LoginStart{"bob", Bytes(98, 4)}).ke1, Bytes(98, 4));
  EXPECT_EQ(through_wire(LoginChallenge{"login-1", Bytes(259, 5)}).ke2, Bytes(259, 5));
  LoginFinish finish{"login-1", Bytes(32, 6), some_device(), Bytes(64, 7)};
  auto finish2 = through_wire(finish);
  EXPECT_EQ(finish2.ke3, finish.ke3);
  EXPECT_EQ(finish2.device_signature, finish.device_signature);
  expect_equal(finish2.device, finish.device);
}

TEST(Accounts, SessionAndBundleRoundTrip) {
  Session session;
  session.user.value.fill(0x5c);
  session.access_token = "a.b.c";
  session.refresh_token = "r";
  session.expires_in_s = 300;
  session.admin = true;
  auto session2 = through_wire(session);
  EXPECT_EQ(session2.user, session.user);
  EXPECT_EQ(session2.access_token, "a.b.c");
  EXPECT_EQ(session2.refresh_token, "r");
  EXPECT_EQ(session2.expires_in_s, 300);
  EXPECT_TRUE(session2.admin);
  EXPECT_EQ(through_wire(RefreshRequest{"r"}).refresh_token, "r");
  KeyBundle bundle{session.user, "ada", some_keys()};
  expect_equal(through_wire(bundle).keys, bundle.keys);
}

TEST(Accounts, DeviceListKeepsTimesToTheMillisecond) {
  DeviceInfo info{some_device(), Timestamp{std::chrono::milliseconds{1'700'000'000'123}},
                  Timestamp{std::chrono::milliseconds{-5}}, true};
  auto list = through_wire(std::vector<DeviceInfo>{info, info});
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].created, info.created);
  EXPECT_EQ(list[1].last_seen, info.last_seen);
  EXPECT_TRUE(list[1].revoked);
}

TEST(Accounts, UnknownFieldsAreIgnored) {
  auto m = decode<LoginStart>(as_bytes(R"({"user":"a","ke1":"AAAA","newer":{"x":[1,2]}})"));
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(m->ke1, Bytes(3, 0));
}

TEST(Accounts, MalformedInputIsRefused) {
  std::string deep(10000, '[');
  const std::string cases[] = {
      "",
      "null",
      "[]",
      "{",
      R"({"user":"a"})",
      R"({"user":"a","ke1":"AAAA"} trailing)",
      R"({"user":"a","user":"b","ke1":"AAAA"})",
      R"({"user":1,"ke1":"AAAA"})",
      R"({"user":"","ke1":"AAAA"})",
      R"({"user":"a","ke1":"AAA="})",
      R"({"user":"a","ke1":"A+/A"})",
      R"({"user":"a","ke1":null})",
      R"({"user":"a","ke1":"AAAA","x":1e999})",
      R"({"user":"a","ke1":"AAAA","x":NaN})",
      R"({"user":"\ud800","ke1":"AAAA"})",
      std::string("{\"user\":\"\xff\xfe\",\"ke1\":\"AAAA\"}"),
      std::string("{\"user\":\"a\0b\",\"ke1\":\"AAAA\"}", 27),
      R"({"user":"a","ke1":"AAAA","x":)" + deep,
      R"({"user":"a","ke1":"AAAA","x":)" + std::string(40, '[') + std::string(40, ']') + "}",
      R"({"user":")" + std::string(65, 'a') + R"(","ke1":"AAAA"})",
      R"({"user":"a","ke1":")" + std::string(8000, 'A') + R"("})",
  };
  for (const std::string& text : cases) {
    auto m = decode<LoginStart>(as_bytes(text));
    ASSERT_FALSE(m.ok()) << text.substr(0, 80);
    EXPECT_EQ(m.error().code(), Code::kInvalidArgument) << text.substr(0, 80);
  }
  std::string huge = R"({"user":"a","ke1":"AAAA","x":")" + std::string(5u << 20, 'x') + "\"}";
  EXPECT_EQ(decode<LoginStart>(as_bytes(huge)).error().code(), Code::kTooLarge);
}

TEST(Accounts, FailureNamesTheField) {
  RegisterFinish finish{"reg-1", Bytes(129, 3), some_keys(), some_device()};
  finish.device.signing_key.pop_back();
  auto m = decode<RegisterFinish>(as_bytes(encode(finish)));
  ASSERT_FALSE(m.ok());
  EXPECT_NE(m.error().message().find("device.signing_key"), std::string::npos) << m.error().message();
}

TEST(Accounts, DeviceNamesThatWouldBreakAFileNameAreRefused) {
  for (std::string name : {std::string("a/b"), std::string("a\nb"), std::string(65, 'x'), std::string()}) {
    RegisterFinish finish{"reg-1", Bytes(129, 3), some_keys(), some_device()};
    finish.device.name = name;
    EXPECT_FALSE(decode<RegisterFinish>(as_bytes(encode(finish))).ok()) << name;
  }
}

TEST(Accounts, UserNamesAreFoldedAndChecked) {
  EXPECT_EQ(normalize_user_name("ADA.Lovelace-1_x@Home").value(), "ada.lovelace-1_x@home");
  for (std::string_view bad : {"", "a b", "admin ", "\u0430dmin", "a/b", "a'--", "%", "a\n"})
    EXPECT_EQ(normalize_user_name(bad).error().code(), Code::kInvalidArgument) << bad;
  EXPECT_TRUE(normalize_user_name(std::string(64, 'a')).ok());
  EXPECT_FALSE(normalize_user_name(std::string(65, 'a')).ok());
}

// Every text cut anywhere, and with any byte changed, is refused or decoded, but never crashes.
TEST(Accounts, CutAndChangedTextsAreSurvived) {
  std::string text = encode(RegisterFinish{"reg-1", Bytes(129, 3), some_keys(), some_device()});
  for (std::size_t i = 0; i < text.size(); ++i) EXPECT_FALSE(decode<RegisterFinish>(as_bytes(text.substr(0, i))).ok());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    (void)decode<RegisterFinish>(as_bytes(changed)).ok();
  }
}

}  // namespace
}  // namespace skymoor::protocol
