// The account routes of a server, in memory, with the real OPAQUE server side.
#pragma once
#include <map>
#include <mutex>

#include "shared/base/clock.h"
#include "shared/crypto/opaque.h"
#include "shared/protocol/accounts.h"
#include "shared/protocol/failure.h"
#include "shared/protocol/volumes.h"
#include "tests/support/http_test_server.h"

namespace skymoor::client {

class FakeAccountServer {
 public:
  std::string url() const { return server_.url(); }
  std::uint32_t scrypt_log_n = 8;
  bool refuse_finish = false, swap_bundle = false, answer_with_first = false;
  std::vector<protocol::VolumeInfo> volumes;
  std::map<std::string, protocol::UserKeys> keys;
  std::vector<protocol::DevicePublic> devices;
  bool signature_checked = false;

 private:
  using Request = testing::TestRequest;
  using Connection = testing::TestConnection;

  static void fail(Connection& c, Code code, const std::string& message) {
    c.reply(http_status_of(code), protocol::encode_failure(Error(code, message), "r"));
  }
  protocol::Session session() {
    protocol::Session s;
    s.user.value.fill(9);
    s.access_token = "access";
    s.refresh_token = "refresh";
    return s;
  }
  void handle(const Request& r, Connection& c) {
    std::lock_guard lock(mutex_);
    const ByteView body = as_bytes(r.body);
    if (r.target == "/api/auth/parameters") return c.reply(200, encode(protocol::LoginParameters{"cloud", scrypt_log_n}));
    if (r.target == "/api/auth/register/start") {
      auto start = *protocol::decode<protocol::RegisterStart>(body);
      pending_ = start.user;
      auto response = crypto::opaque::server_registration_response(secrets_, as_bytes(start.user), start.request);
      return c.reply(200, encode(protocol::RegisterChallenge{"reg", *response, "cloud", scrypt_log_n}));
    }
    if (r.target == "/api/auth/register/finish") {
      if (refuse_finish || records_.count(pending_)) return fail(c, Code::kAlreadyExists, "the user name is taken");
      auto finish = *protocol::decode<protocol::RegisterFinish>(body);
      records_[pending_] = finish.record;
      keys[pending_] = finish.keys;
      devices.push_back(finish.device);
      return c.reply(200, encode(session()));
    }
    if (r.target == "/api/auth/login/start") {
      auto start = *protocol::decode<protocol::LoginStart>(body);
      pending_ = start.user;
      auto login = crypto::opaque::server_login(secrets_, {scrypt_log_n, "cloud", start.user}, records_[start.user],
                                                as_bytes(start.user), start.ke1, random_);
      ke2_ = login->ke2;
      expected_ = login->expected_ke3;
      return c.reply(200, encode(protocol::LoginChallenge{"login", ke2_}));
    }
    if (r.target == "/api/auth/login/finish") {
      auto finish = *protocol::decode<protocol::LoginFinish>(body);
      if (finish.ke3 != expected_) return fail(c, Code::kWrongPassword, "wrong");
      Bytes signed_part = to_bytes(std::string_view("skymoor login 1\0", 16));
      append(signed_part, as_bytes(finish.login_id));
      append(signed_part, ke2_);
      append(signed_part, finish.ke3);
      crypto::PublicKey key;
      std::copy(finish.device.signing_key.begin(), finish.device.signing_key.end(), key.begin());
      signature_checked = crypto::ed25519_verify(key, signed_part, finish.device_signature);
      devices.push_back(finish.device);
      return c.reply(200, encode(session()));
    }
    if (r.headers.find("authorization") == r.headers.end() || r.headers.at("authorization") != "Bearer access")
      return fail(c, Code::kUnauthenticated, "token");
    if (r.target == "/api/keys/bundle") {
      protocol::UserKeys mine = keys[pending_];
      if (swap_bundle) mine.sealing_key[0] ^= 1;
      return c.reply(200, encode(protocol::KeyBundle{session().user, pending_, mine}));
    }
    if (r.target == "/api/volumes" && r.method == "GET") return c.reply(200, encode(volumes));
    if (r.target == "/api/volumes") {
      auto create = *protocol::decode<protocol::CreateVolume>(body);
      protocol::VolumeInfo info;
      info.id = create.id;
      info.kind = create.kind;
      info.sealed_key = create.sealed_key;
      info.sealed_label = create.sealed_label;
      volumes.push_back(info);
      return c.reply(200, encode(answer_with_first ? volumes.front() : info));
    }
    fail(c, Code::kNotFound, r.target);
  }

  SystemRandom random_;
  crypto::opaque::ServerSecrets secrets_ = crypto::opaque::ServerSecrets::generate(random_);
  std::mutex mutex_;
  std::map<std::string, Bytes> records_;
  std::string pending_;
  Bytes ke2_, expected_;
  testing::HttpTestServer server_{[this](const Request& r, Connection& c) { handle(r, c); }};
};

}  // namespace skymoor::client
