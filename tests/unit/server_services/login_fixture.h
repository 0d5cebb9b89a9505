// The client's half of signup and login, with the real handshake.
#pragma once
#include "shared/crypto/opaque.h"
#include "tests/unit/server_services/service_fixture.h"

namespace skymoor::server {

class LoginFixture : public ServiceTest {
 protected:
  static crypto::SecretBytes secret(const std::string& text) { return crypto::SecretBytes(as_bytes(text)); }
  crypto::opaque::Parameters parameters(const std::string& user) const {
    return {accounts_.scrypt_log_n, accounts_.server_name, user};
  }

  Result<protocol::Session> sign_up(const std::string& user, const std::string& password, const TestDevice& device) {
    crypto::opaque::ClientRegistration client(parameters(user), secret(password), random_);
    auto challenge = TRY(services_->accounts().register_start({user, client.request()}, address_));
    EXPECT_EQ(challenge.scrypt_log_n, accounts_.scrypt_log_n);
    EXPECT_EQ(challenge.server_name, accounts_.server_name);
    auto outcome = TRY(client.finish(challenge.response));
    export_key_ = to_bytes(outcome.export_key.view());
    return services_->accounts().register_finish({challenge.registration_id, outcome.record, keys(), device.device},
                                                 address_);
  }

  struct Login {
    std::unique_ptr<crypto::opaque::ClientLogin> client;
    protocol::LoginChallenge challenge;
  };
  /// With a device: as one that proves to be it.
  Result<Login> start(const std::string& user, const std::string& password, const TestDevice* device = nullptr) {
    Login login;
    login.client = std::make_unique<crypto::opaque::ClientLogin>(parameters(user), secret(password), random_);
    protocol::LoginStart message{user, login.client->ke1(), {}, {}};
    if (device) {
      message.device = device->device.id;
      Bytes proof = to_bytes(std::string_view("skymoor login start 1\0", 22));
      append(proof, as_bytes(user));
      proof.push_back(0);
      append(proof, message.ke1);
      const auto signature = crypto::ed25519_sign(device->key, proof);
      message.device_signature.assign(signature.begin(), signature.end());
    }
    login.challenge = TRY(services_->accounts().login_start(message, address_));
    return login;
  }
  static protocol::LoginFinish finish_message(const Login& login, const Bytes& ke3, const TestDevice& device) {
    protocol::LoginFinish finish{login.challenge.login_id, ke3, device.device, {}};
    Bytes transcript = to_bytes(std::string_view("skymoor login 1\0", 16));
    append(transcript, as_bytes(finish.login_id));
    append(transcript, login.challenge.ke2);
    append(transcript, ke3);
    auto signature = crypto::ed25519_sign(device.key, transcript);
    finish.device_signature.assign(signature.begin(), signature.end());
    return finish;
  }
  Result<protocol::Session> log_in(const std::string& user, const std::string& password, const TestDevice& device) {
    Login login = TRY(start(user, password));
    auto outcome = TRY(login.client->finish(login.challenge.ke2));
    login_export_key_ = to_bytes(outcome.export_key.view());
    return services_->accounts().login_finish(finish_message(login, outcome.ke3, device), address_);
  }
  Caller verified(const protocol::Session& session) {
    return value_of(services_->sessions().verify(session.access_token, address_));
  }

  std::string address_ = "192.0.2.7";
  Bytes export_key_, login_export_key_;
};

}  // namespace skymoor::server
