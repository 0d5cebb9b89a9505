// Signup, login, devices and what goes wrong with them.
#include "tests/unit/server_services/login_fixture.h"

namespace skymoor::server {
namespace {

class LoginTest : public LoginFixture {};

TEST_F(LoginTest, signs_up_and_logs_in_from_a_second_device) {
  TestDevice laptop = make_device("ann"), phone = make_device("ann", "phone");
  auto first = value_of(sign_up("ann", "correct horse", laptop));
  auto second = value_of(log_in("ann", "correct horse", phone));
  EXPECT_EQ(first.user, second.user);
  EXPECT_EQ(export_key_, login_export_key_);
  EXPECT_FALSE(first.admin);
  Caller caller = verified(second);
  EXPECT_EQ(caller.user, first.user);
  EXPECT_EQ(caller.device, phone.device.id);
  auto devices = value_of(services_->accounts().devices(caller));
  ASSERT_EQ(devices.size(), 2u);
  auto bundle = value_of(services_->accounts().key_bundle(caller));
  EXPECT_EQ(bundle.user_name, "ann");
  EXPECT_EQ(bundle.keys.password_wrap, keys().password_wrap);
}

TEST_F(LoginTest, logs_in_after_a_restart) {
  value_of(sign_up("ann", "pw", make_device("ann")));
  reopen();
  value_of(log_in("ann", "pw", make_device("ann")));
  EXPECT_EQ(export_key_, login_export_key_);
}

TEST_F(LoginTest, refuses_a_wrong_password_at_the_client_and_a_wrong_ke3_at_the_server) {
  TestDevice device = make_device("ann");
  value_of(sign_up("ann", "right", device));
  EXPECT_EQ(code_of(log_in("ann", "wrong", device)), Code::kWrongPassword);
  auto login = value_of(start("ann", "wrong"));
  auto finished = services_->accounts().login_finish(finish_message(login, Bytes(32, 1), device), address_);
  EXPECT_EQ(code_of(finished), Code::kWrongPassword);
}

TEST_F(LoginTest, answers_an_unknown_user_as_a_known_one) {
  TestDevice device = make_device("ann");
  value_of(sign_up("ann", "right", device));
  auto known = value_of(start("ann", "wrong"));
  auto unknown = value_of(start("nobody", "wrong"));
  EXPECT_EQ(known.challenge.ke2.size(), unknown.challenge.ke2.size());
  EXPECT_EQ(known.challenge.login_id.size(), unknown.challenge.login_id.size());
  auto a = services_->accounts().login_finish(finish_message(known, Bytes(32, 1), device), address_);
  auto b = services_->accounts().login_finish(finish_message(unknown, Bytes(32, 1), device), address_);
  ASSERT_FALSE(a.ok());
  ASSERT_FALSE(b.ok());
  EXPECT_EQ(a.error().code(), b.error().code());
  EXPECT_EQ(a.error().to_string(), b.error().to_string());
  // The credential of a name that nobody has stays the same, or asking twice would tell.
  Bytes first = services_->keys().credential_id_of_nobody("nobody");
  reopen();
  EXPECT_EQ(services_->keys().credential_id_of_nobody("nobody"), first);
  EXPECT_NE(services_->keys().credential_id_of_nobody("other"), first);
}

TEST_F(LoginTest, login_ids_are_good_for_one_use_and_a_minute) {
  TestDevice device = make_device("ann");
  value_of(sign_up("ann", "pw", device));
  auto login = value_of(start("ann", "pw"));
  auto outcome = value_of(login.client->finish(login.challenge.ke2));
  auto finish = finish_message(login, outcome.ke3, device);
  value_of(services_->accounts().login_finish(finish, address_));
  EXPECT_EQ(code_of(services_->accounts().login_finish(finish, address_)), Code::kWrongPassword);

  auto late = value_of(start("ann", "pw"));
  auto late_outcome = value_of(late.client->finish(late.challenge.ke2));
  clock_.advance(std::chrono::seconds(61));
  EXPECT_EQ(code_of(services_->accounts().login_finish(finish_message(late, late_outcome.ke3, device), address_)),
            Code::kWrongPassword);
  auto unknown = finish;
  unknown.login_id = "0123";
  EXPECT_EQ(code_of(services_->accounts().login_finish(unknown, address_)), Code::kWrongPassword);
}

TEST_F(LoginTest, wants_the_device_s_signature_over_the_handshake) {
  TestDevice device = make_device("ann");
  value_of(sign_up("ann", "pw", device));
  auto login = value_of(start("ann", "pw"));
  auto outcome = value_of(login.client->finish(login.challenge.ke2));
  auto finish = finish_message(login, outcome.ke3, device);
  finish.device_signature[3] ^= 1;
  EXPECT_EQ(code_of(services_->accounts().login_finish(finish, address_)), Code::kInvalidArgument);
}

TEST_F(LoginTest, refuses_a_malformed_ke1) {
  value_of(sign_up("ann", "pw", make_device("ann")));
  for (const std::string user : {"ann", "nobody"}) {
    EXPECT_EQ(code_of(services_->accounts().login_start({user, Bytes(97, 2)}, address_)), Code::kInvalidArgument);
    EXPECT_EQ(code_of(services_->accounts().login_start({user, Bytes(98, 0)}, address_)), Code::kInvalidArgument);
  }
}

TEST_F(LoginTest, names_are_unique_whatever_their_case) {
  value_of(sign_up("ann", "pw", make_device("ann")));
  EXPECT_EQ(code_of(sign_up("ANN", "pw", make_device("ann"))), Code::kAlreadyExists);
  EXPECT_EQ(code_of(sign_up("a n", "pw", make_device("ann"))), Code::kInvalidArgument);
}

TEST_F(LoginTest, registration_ids_are_good_for_one_use_and_five_minutes) {
  crypto::opaque::ClientRegistration client(parameters("ann"), secret("pw"), random_);
  auto challenge = value_of(services_->accounts().register_start({"ann", client.request()}, address_));
  auto outcome = value_of(client.finish(challenge.response));
  protocol::RegisterFinish finish{challenge.registration_id, outcome.record, keys(), make_device("ann").device};
  clock_.advance(std::chrono::minutes(5));
  EXPECT_EQ(code_of(services_->accounts().register_finish(finish, address_)), Code::kUnauthenticated);
  challenge = value_of(services_->accounts().register_start({"ann", client.request()}, address_));
  finish.registration_id = challenge.registration_id;
  value_of(services_->accounts().register_finish(finish, address_));
  EXPECT_EQ(code_of(services_->accounts().register_finish(finish, address_)), Code::kUnauthenticated);
}

TEST_F(LoginTest, refuses_malformed_registrations) {
  crypto::opaque::ClientRegistration client(parameters("ann"), secret("pw"), random_);
  auto attempt = [&](auto change) {
    auto challenge = value_of(services_->accounts().register_start({"ann", client.request()}, address_));
    auto outcome = value_of(client.finish(challenge.response));
    protocol::RegisterFinish finish{challenge.registration_id, outcome.record, keys(), make_device("ann").device};
    change(finish);
    return code_of(services_->accounts().register_finish(finish, address_));
  };
  EXPECT_EQ(attempt([](auto& f) { f.record.pop_back(); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.keys.sealing_key.push_back(1); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.keys.password_wrap.clear(); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.device.name.clear(); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.device.name = std::string(65, 'x'); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.device.name = "a\nb"; }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.device.signing_key.clear(); }), Code::kInvalidArgument);
  EXPECT_EQ(attempt([](auto& f) { f.device.id = {}; }), Code::kInvalidArgument);
  EXPECT_EQ(code_of(services_->accounts().register_start({"ann", Bytes(33, 0)}, address_)), Code::kInvalidArgument);
}

TEST_F(LoginTest, does_not_let_a_device_id_be_taken_over) {
  TestDevice ann = make_device("ann"), bob = make_device("bob");
  value_of(sign_up("ann", "pw", ann));
  value_of(sign_up("bob", "pw", bob));
  TestDevice thief = make_device("bob");
  thief.device.id = ann.device.id;
  EXPECT_EQ(code_of(log_in("bob", "pw", thief)), Code::kForbidden);
  EXPECT_EQ(code_of(sign_up("eve", "pw", thief)), Code::kAlreadyExists);
  TestDevice other_key = make_device("ann");
  other_key.device.id = ann.device.id;
  EXPECT_EQ(code_of(log_in("ann", "pw", other_key)), Code::kForbidden);
}

TEST_F(LoginTest, revoked_devices_are_out_at_once_and_for_good) {
  TestDevice laptop = make_device("ann"), phone = make_device("ann", "phone"), bob = make_device("bob");
  auto first = value_of(sign_up("ann", "pw", laptop));
  auto second = value_of(log_in("ann", "pw", phone));
  auto stranger = value_of(sign_up("bob", "pw", bob));
  EXPECT_EQ(code_of(services_->accounts().revoke_device(verified(stranger), phone.device.id)), Code::kNotFound);
  EXPECT_EQ(code_of(services_->accounts().revoke_device(verified(first), DeviceId{})), Code::kNotFound);
  expect_ok(services_->accounts().revoke_device(verified(first), phone.device.id));
  EXPECT_EQ(code_of(services_->sessions().verify(second.access_token, address_)), Code::kUnauthenticated);
  EXPECT_EQ(code_of(services_->sessions().refresh(second.refresh_token, address_)), Code::kUnauthenticated);
  EXPECT_EQ(code_of(log_in("ann", "pw", phone)), Code::kForbidden);
  EXPECT_TRUE(services_->sessions().verify(first.access_token, address_).ok());
  for (const auto& device : value_of(services_->accounts().devices(verified(first))))
    EXPECT_EQ(device.revoked, device.device.id == phone.device.id);
}

TEST_F(LoginTest, signup_can_be_closed) {
  accounts_.allow_signup = false;
  reopen();
  EXPECT_EQ(code_of(sign_up("ann", "pw", make_device("ann"))), Code::kForbidden);
}

TEST_F(LoginTest, administrators_are_made_on_the_server_and_see_the_users) {
  auto session = value_of(sign_up("ann", "pw", make_device("ann")));
  value_of(sign_up("bob", "pw", make_device("bob")));
  EXPECT_EQ(code_of(services_->accounts().users(verified(session))), Code::kNotFound);
  EXPECT_EQ(code_of(services_->accounts().set_admin("nobody", true)), Code::kNotFound);
  expect_ok(services_->accounts().set_admin("Ann", true));
  Caller admin = verified(session);
  EXPECT_TRUE(admin.admin);
  auto users = value_of(services_->accounts().users(admin));
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].name, "ann");
  EXPECT_TRUE(users[0].admin);
  EXPECT_EQ(value_of(services_->accounts().users(admin, "ann")).size(), 1u);
  expect_ok(services_->accounts().set_admin("ann", false));
  EXPECT_FALSE(verified(session).admin);
}

TEST_F(LoginTest, pending_registrations_are_bounded) {
  accounts_.max_pending_registrations = 3;
  reopen();
  crypto::opaque::ClientRegistration client(parameters("ann"), secret("pw"), random_);
  for (int i = 0; i < 3; ++i) value_of(services_->accounts().register_start({"ann", client.request()}, address_));
  EXPECT_EQ(code_of(services_->accounts().register_start({"ann", client.request()}, address_)), Code::kBusy);
  clock_.advance(std::chrono::minutes(5));
  value_of(services_->accounts().register_start({"ann", client.request()}, address_));
}

}  // namespace
}  // namespace skymoor::server
