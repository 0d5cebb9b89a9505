#include "api_fixture.h"
#include "backend-server/metadata_store/metadata_store.h"

namespace skymoor::server {
namespace {

using ::testing::HasSubstr;

class AccountsApi : public ApiTest {};

TEST_F(AccountsApi, SignUpLogInListDevicesLogOut) {
  ApiClient laptop = user("ada");
  auto bundle = ApiClient::decoded<protocol::KeyBundle>(laptop.call("GET", "/api/keys/bundle"));
  EXPECT_EQ(bundle.user_name, "ada");
  EXPECT_EQ(bundle.keys.password_wrap, Bytes(80, 5));

  ApiClient phone = stranger();
  EXPECT_EQ(phone.log_in("ADA", "password of ada").status, 401);  // the name is part of what is hashed: lower case
  EXPECT_EQ(phone.log_in("ada", "password of ada").status, 200);
  auto devices = ApiClient::decoded<std::vector<protocol::DeviceInfo>>(phone.call("GET", "/api/auth/devices"));
  EXPECT_EQ(devices.size(), 2u);

  EXPECT_EQ(phone.call("POST", "/api/auth/logout").status, 200);
  EXPECT_EQ(phone.call("GET", "/api/auth/devices").status, 401);
  EXPECT_EQ(laptop.call("GET", "/api/auth/devices").status, 200);
}

TEST_F(AccountsApi, WrongPasswordAndUnknownUserAnswerTheSame) {
  user("ada");
  HttpAnswer wrong = stranger().log_in("ada", "not it");
  HttpAnswer unknown = stranger().log_in("nobody", "not it");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(ApiClient::code_of(wrong), ApiClient::code_of(unknown));
  auto without_id = [](std::string body) { return body.substr(0, body.find("request_id")); };
  EXPECT_EQ(without_id(wrong.body), without_id(unknown.body));
}

TEST_F(AccountsApi, BadTokensAreRefusedAlike) {
  ApiClient client = user("ada");
  std::string good = client.token;
  std::string header = base64url_encode(as_bytes(R"({"alg":"none","typ":"at+jwt"})"));
  std::string payload = good.substr(good.find('.') + 1, good.rfind('.') - good.find('.') - 1);
  std::string changed = good;
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  changed[changed.size() - 2] = changed[changed.size() - 2] == 'A' ? 'B' : 'A';
  std::string answer;
  for (const std::string& bad : {std::string("x"), std::string("a.b.c"), header + "." + payload + ".", changed,
                                 client.session.refresh_token, good + "x", std::string(5000, 'a')}) {
    client.token = bad;
    HttpAnswer refused = client.call("GET", "/api/volumes");
    EXPECT_EQ(refused.status, 401) << bad;
    EXPECT_EQ(ApiClient::code_of(refused), "unauthenticated");
    std::string text = refused.body.substr(0, refused.body.find("request_id"));
    EXPECT_TRUE(answer.empty() || answer == text);
    answer = text;
  }
  client.token.clear();
  EXPECT_EQ(client.call("GET", "/api/volumes").status, 401);
  EXPECT_EQ(client.call("GET", "/api/volumes", "", "Authorization: Basic " + good + "\r\n").status, 401);
  EXPECT_EQ(client.call("GET", "/api/volumes", "", "Authorization: bearer " + good + "\r\n").status, 200);
  EXPECT_EQ(client.call("GET", "/api/volumes?access_token=" + good).status, 401);  // never in a URL
}

TEST_F(AccountsApi, EveryRouteButTheOpenOnesNeedsAToken) {
  ApiClient client = stranger();
  std::string id(32, 'a'), block(64, 'a');
  const std::pair<const char*, std::string> routes[] = {
      {"POST", "/api/auth/logout"},
      {"GET", "/api/auth/devices"},
      {"DELETE", "/api/auth/devices/" + id},
      {"GET", "/api/keys/bundle"},
      {"GET", "/api/volumes"},
      {"POST", "/api/volumes"},
      {"GET", "/api/volumes/" + id},
      {"POST", "/api/volumes/" + id + "/writers"},
      {"GET", "/api/volumes/" + id + "/devices"},
      {"POST", "/api/volumes/" + id + "/commits"},
      {"GET", "/api/volumes/" + id + "/changes?after=0&epoch=1"},
      {"GET", "/api/volumes/" + id + "/directories/1"},
      {"POST", "/api/volumes/" + id + "/inodes"},
      {"GET", "/api/events?volume=" + id},
      {"POST", "/api/chunk/missing?volume=" + id},
      {"POST", "/api/chunk/pack?volume=" + id},
      {"POST", "/api/chunk/fetch?volume=" + id},
      {"GET", "/api/chunk/" + id + "/" + block},
  };
  for (const auto& [method, target] : routes)
    EXPECT_EQ(client.call(method, target).status, 401) << method << " " << target;
}

TEST_F(AccountsApi, ARefreshTokenIsGoodOnce) {
  ApiClient client = user("ada");
  std::string spent = client.session.refresh_token;
  auto next = ApiClient::decoded<protocol::Session>(
      client.call("POST", "/api/auth/refresh", encode(protocol::RefreshRequest{spent})));
  EXPECT_NE(next.refresh_token, spent);
  client.token = next.access_token;
  EXPECT_EQ(client.call("GET", "/api/volumes").status, 200);
  EXPECT_EQ(client.call("POST", "/api/auth/refresh", encode(protocol::RefreshRequest{spent})).status, 401);
  // The second use has ended the whole family.
  EXPECT_EQ(client.call("GET", "/api/volumes").status, 401);
  EXPECT_EQ(client.call("POST", "/api/auth/refresh", encode(protocol::RefreshRequest{next.refresh_token})).status, 401);
}

TEST_F(AccountsApi, ARevokedDeviceIsOut) {
  ApiClient laptop = user("ada");
  ApiClient phone = stranger();
  ASSERT_EQ(phone.log_in("ada", "password of ada").status, 200);
  EXPECT_EQ(laptop.call("DELETE", "/api/auth/devices/" + phone.device().id.hex()).status, 200);
  EXPECT_EQ(phone.call("GET", "/api/volumes").status, 401);
  EXPECT_EQ(phone.log_in("ada", "password of ada").status, 403);
  ApiClient other = user("eve");
  EXPECT_EQ(other.call("DELETE", "/api/auth/devices/" + laptop.device().id.hex()).status, 404);
}

TEST_F(AccountsApi, ADisabledUserIsOutUntilEnabled) {
  ApiClient client = user("ada");
  auto disable = [&](bool disabled) {
    return services_->store().update([&](Tables& tables) -> Status {
      auto row = TRY(tables.accounts.find_user_by_name("ada"));
      return tables.accounts.set_disabled(row->id, disabled);
    });
  };
  ASSERT_TRUE(disable(true).ok());
  EXPECT_EQ(client.call("GET", "/api/volumes").status, 401);
  EXPECT_EQ(
      client.call("POST", "/api/auth/refresh", encode(protocol::RefreshRequest{client.session.refresh_token})).status,
      401);
  EXPECT_EQ(client.log_in("ada", "password of ada").status, 403);
  EXPECT_EQ(stranger().log_in("ada", "wrong").status, 401);  // who does not know the password learns nothing
  ASSERT_TRUE(disable(false).ok());
  EXPECT_EQ(client.log_in("ada", "password of ada").status, 200);
}

TEST_F(AccountsApi, GarbageIsA400) {
  ApiClient client = stranger();
  for (const char* target : {"/api/auth/register/start", "/api/auth/register/finish", "/api/auth/parameters",
                             "/api/auth/login/start", "/api/auth/login/finish", "/api/auth/refresh"})
    for (const std::string& body : {std::string(), std::string("garbage"), std::string("{}"), std::string("[1,2"),
                                    std::string("{\"user\":{}}"), std::string(5000, '{'), std::string("\xff\xfe")}) {
      HttpAnswer answer = client.call("POST", target, body);
      EXPECT_EQ(answer.status, 400) << target << " " << body.substr(0, 20);
      EXPECT_EQ(ApiClient::code_of(answer), "invalid_argument");
    }
  EXPECT_EQ(client.call("POST", "/api/auth/login/start", std::string(20'000, ' ')).status, 413);
  EXPECT_EQ(client.call("GET", "/api/auth/login/start").status, 405);
  EXPECT_EQ(client.call("PUT", "/api/volumes").status, 405);
  EXPECT_EQ(client.call("POST", "/api/auth/parameters", R"({"user":"a b"})").status, 400);
}

TEST_F(AccountsApi, ParametersTellNothingAboutWhoExists) {
  user("ada");
  ApiClient client = stranger();
  EXPECT_EQ(client.call("POST", "/api/auth/parameters", R"({"user":"ada"})").body,
            client.call("POST", "/api/auth/parameters", R"({"user":"nobody"})").body);
}

}  // namespace
}  // namespace skymoor::server
