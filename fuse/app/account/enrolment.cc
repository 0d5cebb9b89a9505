#include "fuse/app/account/enrolment.h"

#include "shared/crypto/hash.h"
#include "shared/crypto/opaque.h"

namespace skymoor::client {
namespace {

using namespace std::chrono_literals;

// Persistent: what wraps and derivations are bound to.
constexpr std::string_view kPasswordPurpose = "puk.password";
constexpr std::string_view kRecoveryPurpose = "puk.recovery";
constexpr std::string_view kRecoverySigning = "skymoor/recovery/signing/v1";
constexpr std::string_view kLoginSigning{"skymoor login 1\0", 16};

/// A server that asks for less makes passwords cheap to guess. On this very machine only tests do.
constexpr std::uint32_t kMinScryptLogN = 15, kMinLocalScryptLogN = 8, kMaxScryptLogN = 20;

const CallOptions kCall{30s, {}};

crypto::WrapContext wrap_context(std::string_view purpose, const std::string& user, const std::string& server,
                                 std::uint32_t generation) {
  return {std::string(purpose), to_bytes(user), generation, to_bytes(server)};
}

Result<crypto::opaque::Parameters> agree_on_parameters(AccountRemote& remote, const Account& device) {
  const auto offered = TRY(remote.parameters({device.user_name}, kCall));
  const std::uint32_t least = is_this_machine(device.server_url) ? kMinLocalScryptLogN : kMinScryptLogN;
  if (offered.scrypt_log_n < least || offered.scrypt_log_n > kMaxScryptLogN)
    return Error(Code::kUnknownServer, device.server_url + " asks for a password cost of 2^" +
                                           std::to_string(offered.scrypt_log_n) + ", which is not acceptable");
  return crypto::opaque::Parameters{offered.scrypt_log_n, offered.server_name, device.user_name};
}

protocol::UserKeys wrapped_keys(const crypto::UserKey& key, ByteView export_key, const crypto::RecoveryCode& recovery,
                                const crypto::opaque::Parameters& parameters) {
  protocol::UserKeys keys;
  keys.generation = key.generation;
  keys.sealing_key = to_bytes(ByteView(key.sealing_key().public_key));
  keys.signing_key = to_bytes(ByteView(key.signing_key().public_key));
  auto context = [&](std::string_view purpose) {
    return wrap_context(purpose, parameters.user_name, parameters.server_name, key.generation);
  };
  keys.password_wrap = crypto::wrap_key(export_key, context(kPasswordPurpose), key.seed.view());
  keys.recovery_wrap = crypto::wrap_key(recovery.secret.view(), context(kRecoveryPurpose), key.seed.view());
  const auto verifier = crypto::hkdf_expand(recovery.secret.view(), as_bytes(kRecoverySigning), 32);
  keys.recovery_verifier = to_bytes(ByteView(crypto::ed25519_from_seed(verifier.view()).public_key));
  return keys;
}

SessionTokens tokens_of(const protocol::Session& session, const Clock& clock) {
  return {session.refresh_token, session.access_token, clock.now() + std::chrono::seconds(session.expires_in_s)};
}

/// The session of a login under way, before it is stored.
class FreshSession final : public SessionStore {
 public:
  explicit FreshSession(SessionTokens tokens) : tokens_(std::move(tokens)) {}
  class OwnTurn final : public Turn {
   public:
    explicit OwnTurn(SessionTokens& tokens) : tokens_(tokens) {}
    Status save(const SessionTokens& tokens) override {
      tokens_ = tokens;
      return {};
    }

   private:
    SessionTokens& tokens_;
  };
  Result<SessionTokens> load() override { return tokens_; }
  Result<std::unique_ptr<Turn>> take_turn(const CallOptions&) override {
    return std::unique_ptr<Turn>(std::make_unique<OwnTurn>(tokens_));
  }

 private:
  SessionTokens tokens_;
};

Result<crypto::UserKey> open_user_key(const protocol::KeyBundle& bundle, ByteView export_key,
                                      const crypto::opaque::Parameters& parameters) {
  const auto context =
      wrap_context(kPasswordPurpose, parameters.user_name, parameters.server_name, bundle.keys.generation);
  auto seed = crypto::unwrap_key(export_key, context, bundle.keys.password_wrap);
  if (!seed.ok())
    return Error(Code::kBadSignature, "the server answered with keys that are not this user's: do not use it");
  crypto::UserKey key{bundle.keys.generation, std::move(*seed)};
  if (!crypto::constant_time_equal(key.sealing_key().public_key, bundle.keys.sealing_key) ||
      !crypto::constant_time_equal(key.signing_key().public_key, bundle.keys.signing_key))
    return Error(Code::kBadSignature, "the server answered with public keys that are not this user's: do not use it");
  return key;
}

}  // namespace

Result<Enrolled> sign_up(AccountRemote& remote, const Account& device, const crypto::SecretBytes& password,
                         const crypto::RecoveryCode& recovery, const Clock& clock, Random& random,
                         const std::function<Status()>& before_finish) {
  const auto parameters = TRY(agree_on_parameters(remote, device));
  const crypto::opaque::ClientRegistration registration(parameters, password.clone(), random);
  const auto challenge = TRY(remote.register_start({device.user_name, registration.request()}, kCall));
  if (challenge.server_name != parameters.server_name || challenge.scrypt_log_n != parameters.scrypt_log_n)
    return Error(Code::kUnknownServer, device.server_url + " changed its parameters during the signup");
  const auto outcome = TRY(registration.finish(challenge.response));

  Enrolled enrolled;
  enrolled.user_key = crypto::UserKey::generate(random);
  protocol::RegisterFinish finish;
  finish.registration_id = challenge.registration_id;
  finish.record = outcome.record;
  finish.keys = wrapped_keys(enrolled.user_key, outcome.export_key.view(), recovery, parameters);
  finish.device = device.device_public();
  TRY(before_finish());
  const auto session = TRY(remote.register_finish(finish, kCall));
  enrolled.user = session.user;
  enrolled.tokens = tokens_of(session, clock);
  return enrolled;
}

Result<Enrolled> log_in(HttpClient& http, const Account& device, const crypto::SecretBytes& password,
                        const Clock& clock, Random& random) {
  AccountRemote remote(http);
  const auto parameters = TRY(agree_on_parameters(remote, device));
  const crypto::opaque::ClientLogin login(parameters, password.clone(), random);
  const auto device_key = crypto::ed25519_from_seed(device.signing_seed.view());
  const auto proved = crypto::ed25519_sign(device_key, protocol::signed_start(device.user_name, login.ke1()));
  const auto challenge = TRY(remote.login_start({device.user_name, login.ke1(), device.device, to_bytes(ByteView(proved))}, kCall));
  auto outcome = login.finish(challenge.ke2);
  if (!outcome.ok()) {
    if (outcome.error().code() != Code::kWrongPassword) return outcome.error();
    return Error(Code::kWrongPassword, "wrong user name or password for " + device.server_url);
  }
  Bytes signed_part = to_bytes(kLoginSigning);
  append(signed_part, as_bytes(challenge.login_id));
  append(signed_part, challenge.ke2);
  append(signed_part, outcome->ke3);
  const auto signature = crypto::ed25519_sign(device_key, signed_part);
  const auto session = TRY(remote.login_finish(
      {challenge.login_id, outcome->ke3, device.device_public(), to_bytes(ByteView(signature))}, kCall));

  FreshSession store(tokens_of(session, clock));
  RemoteSession remote_session(http, store, clock);
  const auto bundle = TRY(AccountRemote(http, remote_session).key_bundle(kCall));
  Enrolled enrolled;
  enrolled.user = session.user;
  enrolled.user_key = TRY(open_user_key(bundle, outcome->export_key.view(), parameters));
  enrolled.tokens = TRY(store.load());
  return enrolled;
}

}  // namespace skymoor::client
