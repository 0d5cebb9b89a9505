// ApiClient: a device that talks to a server over its API, as a client would, one blocking call at a time.
#pragma once
#include <gtest/gtest.h>

#include "shared/block/pack.h"
#include "shared/crypto/opaque.h"
#include "shared/crypto/signature.h"
#include "shared/model/listing.h"
#include "shared/protocol/accounts.h"
#include "shared/protocol/blocks.h"
#include "shared/protocol/failure.h"
#include "shared/protocol/volumes.h"
#include "tests/support/raw_http.h"

namespace skymoor::testing_support {

/// Not thread-safe. Connects anew when the server has ended the connection.
class ApiClient {
 public:
  ApiClient(std::uint16_t port, RawHttp::Security security, std::string device_name = "laptop")
      : port_(port), security_(security), key_(crypto::ed25519_generate(random_)) {
    random_.fill(device_.id.value);
    device_.name = std::move(device_name);
    device_.signing_key.assign(key_.public_key.begin(), key_.public_key.end());
    crypto::KeyPair sealing = crypto::x25519_generate(random_);
    device_.sealing_key.assign(sealing.public_key.begin(), sealing.public_key.end());
  }

  HttpAnswer call(std::string_view method, const std::string& target, std::string_view body = {},
                  std::string extra_headers = {}) {
    if (!token.empty()) extra_headers += "Authorization: Bearer " + token + "\r\n";
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (!http_) http_ = std::make_unique<RawHttp>(port_, security_);
      if (http_->request(method, target, body, extra_headers))
        if (auto answer = http_->answer()) {
          if (answer->header("Connection") == "close") http_.reset();
          return *answer;
        }
      http_.reset();
    }
    throw std::runtime_error("no answer");
  }
  HttpAnswer call(std::string_view method, const std::string& target, const Bytes& body) {
    return call(method, target, as_text(body));
  }

  /// The wire name of a failure's code; "" for a success.
  static std::string code_of(const HttpAnswer& answer) {
    if (answer.status < 400) return {};
    return std::string(wire_name_of(protocol::decode_failure(answer.status, as_bytes(answer.body)).code()));
  }
  template <typename Message>
  static Message decoded(const HttpAnswer& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    auto message = protocol::decode<Message>(as_bytes(answer.body));
    EXPECT_TRUE(message.ok()) << answer.body;
    return message.ok() ? *message : Message{};
  }

  protocol::Session sign_up(const std::string& user, const std::string& password) {
    auto parameters = decoded<protocol::LoginParameters>(
        call("POST", "/api/auth/parameters", encode(protocol::ParametersRequest{user})));
    crypto::opaque::ClientRegistration registration(of(parameters, user), secret(password), random_);
    auto challenge = decoded<protocol::RegisterChallenge>(
        call("POST", "/api/auth/register/start", encode(protocol::RegisterStart{user, registration.request()})));
    auto outcome = registration.finish(challenge.response);
    EXPECT_TRUE(outcome.ok());
    protocol::RegisterFinish finish{challenge.registration_id, outcome->record, user_keys(), device_};
    return keep(decoded<protocol::Session>(call("POST", "/api/auth/register/finish", encode(finish))));
  }

  /// The answer to the last step; on success the session is kept.
  HttpAnswer log_in(const std::string& user, const std::string& password) {
    token.clear();
    auto parameters = decoded<protocol::LoginParameters>(
        call("POST", "/api/auth/parameters", encode(protocol::ParametersRequest{user})));
    crypto::opaque::ClientLogin login(of(parameters, user), secret(password), random_);
    HttpAnswer started = call("POST", "/api/auth/login/start", encode(protocol::LoginStart{user, login.ke1()}));
    if (started.status != 200) return started;
    auto challenge = decoded<protocol::LoginChallenge>(started);
    auto outcome = login.finish(challenge.ke2);
    // With a wrong password the client knows by now; a hostile one may still send something.
    Bytes ke3 = outcome.ok() ? outcome->ke3 : Bytes(crypto::opaque::kKe3Bytes, 0);
    Bytes transcript = to_bytes(std::string_view("skymoor login 1\0", 16));
    append(transcript, as_bytes(challenge.login_id));
    append(transcript, challenge.ke2);
    append(transcript, ke3);
    auto signature = crypto::ed25519_sign(key_, transcript);
    protocol::LoginFinish finish{challenge.login_id, ke3, device_, Bytes(signature.begin(), signature.end())};
    HttpAnswer answer = call("POST", "/api/auth/login/finish", encode(finish));
    if (answer.status == 200) keep(decoded<protocol::Session>(answer));
    return answer;
  }

  VolumeId create_volume() {
    protocol::CreateVolume create;
    random_.fill(create.id.value);
    create.sealed_key = Bytes(80, 1);
    create.sealed_label = Bytes(48, 2);
    EXPECT_EQ(call("POST", "/api/volumes", encode(create)).status, 200);
    return create.id;
  }
  protocol::VolumeInfo volume_info(const VolumeId& volume) {
    return decoded<protocol::VolumeInfo>(call("GET", "/api/volumes/" + volume.hex()));
  }
  WriterId lease_writer(const VolumeId& volume) {
    return decoded<protocol::WriterLease>(call("POST", "/api/volumes/" + volume.hex() + "/writers")).writer;
  }

  /// A signed commit on the volume's present head.
  Bytes make_commit(const VolumeId& volume, OpId op, std::vector<Effect> effects) {
    auto info = volume_info(volume);
    Commit commit;
    commit.volume = volume;
    commit.epoch = info.epoch;
    commit.device = device_.id;
    commit.op = op;
    commit.base = info.head;
    commit.base_hash = info.head_hash;
    commit.effects = std::move(effects);
    commit.key_proof.emplace();
    SignedCommit sealed{encode_commit(commit), {}};
    sealed.signature = crypto::ed25519_sign(key_, commit_signing_input(sealed.payload));
    return encode_signed_commit(sealed);
  }
  HttpAnswer send_commit(const VolumeId& volume, const Bytes& commit) {
    return call("POST", "/api/volumes/" + volume.hex() + "/commits", commit);
  }

  const protocol::DevicePublic& device() const { return device_; }
  std::uint16_t port() const { return port_; }

  std::string token;
  protocol::Session session;

 private:
  static crypto::opaque::Parameters of(const protocol::LoginParameters& parameters, const std::string& user) {
    return {parameters.scrypt_log_n, parameters.server_name, user};
  }
  static crypto::SecretBytes secret(const std::string& text) { return crypto::SecretBytes(as_bytes(text)); }
  protocol::UserKeys user_keys() {
    return {1, Bytes(32, 3), Bytes(32, 4), Bytes(80, 5), Bytes(80, 6), Bytes(32, 7)};
  }
  protocol::Session keep(protocol::Session made) {
    token = made.access_token;
    session = made;
    return made;
  }

  std::uint16_t port_;
  RawHttp::Security security_;
  SystemRandom random_;
  crypto::KeyPair key_;
  protocol::DevicePublic device_;
  std::unique_ptr<RawHttp> http_;
};

/// An empty file called by a made-up token, in the root directory.
inline std::vector<Effect> new_file(InodeId inode, std::uint8_t name) {
  NewInode made{inode, {}, {}};
  made.attributes.mode = 0644;
  LinkName link{kRootInode, {}, Bytes(48, name), inode};
  link.token.value.fill(name);
  return {made, link};
}

}  // namespace skymoor::testing_support
