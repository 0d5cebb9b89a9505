#include "backend-server/services/accounts.h"

#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/key_service.h"
#include "backend-server/services/lock_ranks.h"
#include "backend-server/services/random_id.h"
#include "backend-server/services/sessions.h"
#include "shared/base/log.h"

namespace skymoor::server {
namespace {

constexpr auto kRegistrationLifetime = std::chrono::minutes(5);
constexpr std::size_t kCredentialIdBytes = 32;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaxWrapBytes = 1024;
constexpr std::size_t kMaxDeviceNameBytes = 64;
constexpr std::string_view kLoginLabel("skymoor login 1\0", 16);

Status require(bool right, const char* what) {
  if (!right) return Error(Code::kInvalidArgument, what);
  return {};
}

Status check_device(const protocol::DevicePublic& device) {
  TRY(require(!device.id.is_zero(), "the device id is missing"));
  TRY(require(!device.name.empty() && device.name.size() <= kMaxDeviceNameBytes, "a device name has 1 to 64 bytes"));
  for (char c : device.name)
    TRY(require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a device name has no control characters"));
  TRY(require(device.signing_key.size() == kKeyBytes, "the device's signing key has 32 bytes"));
  return require(device.sealing_key.size() == kKeyBytes, "the device's sealing key has 32 bytes");
}

Status check_keys(const protocol::UserKeys& keys) {
  TRY(require(keys.generation >= 1, "key generations start at 1"));
  TRY(require(keys.sealing_key.size() == kKeyBytes && keys.signing_key.size() == kKeyBytes &&
                  keys.recovery_verifier.size() == kKeyBytes,
              "public keys have 32 bytes"));
  return require(!keys.password_wrap.empty() && keys.password_wrap.size() <= kMaxWrapBytes &&
                     keys.recovery_wrap.size() <= kMaxWrapBytes,
                 "a wrapped key has 1 to 1024 bytes");
}

bool signed_by(const protocol::DevicePublic& device, ByteView message, ByteView signature) {
  crypto::PublicKey key;
  std::copy_n(device.signing_key.begin(), key.size(), key.begin());
  return crypto::ed25519_verify(key, message, signature);
}

/// Whether one of the user's devices asks.
Result<bool> is_from_device(const ReadTables& tables, const UserId& user, const protocol::LoginStart& start, const std::string& name) {
  if (start.device.is_zero()) return false;
  const auto row = TRY(tables.accounts.find_device(start.device));
  if (!row || row->revoked || row->user != user) return false;
  return signed_by(row->device, protocol::signed_start(name, start.ke1), start.device_signature);
}

UserSummary summary_of(const UserRow& user) { return {user.id, user.name, user.admin, user.created}; }

/// Adds a device at login, or lets one of the same user in again.
Status admit_device(Tables& tables, const UserId& user, const protocol::DevicePublic& device, Timestamp now,
                    std::size_t max_devices) {
  if (auto known = TRY(tables.accounts.find_device(device.id))) {
    if (known->user != user || known->device.signing_key != device.signing_key ||
        known->device.sealing_key != device.sealing_key)
      return Error(Code::kForbidden, "the device id belongs to another device: make a new one");
    if (known->revoked) return Error(Code::kForbidden, "this device was revoked: 'skymoor login --new-device' makes it a new one");
    return tables.accounts.touch_device(device.id, device.name, now);
  }
  if (TRY(tables.accounts.list_devices(user)).size() >= max_devices)
    return Error(Code::kForbidden, "the account has too many devices");
  return tables.accounts.insert_device({device, user, now, now, false});
}

}  // namespace

AccountService::AccountService(Options options, MetadataStore& store, KeyService& keys, SessionService& sessions,
                               const Clock& clock, Random& random)
    : options_(std::move(options)),
      store_(store),
      keys_(keys),
      sessions_(sessions),
      clock_(clock),
      random_(random),
      mutex_(kRegistrationsRank, "registrations") {}

Result<protocol::RegisterChallenge> AccountService::register_start(const protocol::RegisterStart& start,
                                                                   const std::string& remote_address) {
  if (!options_.allow_signup) return Error(Code::kForbidden, "this server takes no new accounts");
  std::string name = TRY(protocol::normalize_user_name(start.user));
  Bytes credential_id = random_bytes(random_, kCredentialIdBytes);
  Bytes response = TRY(keys_.registration_response(credential_id, start.request, remote_address));
  auto taken = read_from(store_, [&](const ReadTables& tables) { return tables.accounts.find_user_by_name(name); });
  if (!taken.ok()) return std::move(taken).error();
  if (taken->has_value()) return Error(Code::kAlreadyExists, "the user name is taken");
  std::string id = random_name(random_);
  MutexLock lock(mutex_);
  drop_expired_registrations(lock);
  if (registrations_.size() >= options_.max_pending_registrations)
    return Error(Code::kBusy, "too many accounts are being made; try again in a few minutes");
  registrations_[id] = {name, std::move(credential_id), clock_.now() + kRegistrationLifetime};
  return protocol::RegisterChallenge{id, std::move(response), options_.server_name, options_.scrypt_log_n};
}

Result<AccountService::PendingRegistration> AccountService::take_registration(const std::string& id) {
  MutexLock lock(mutex_);
  drop_expired_registrations(lock);
  auto node = registrations_.extract(id);
  if (node.empty()) return Error(Code::kUnauthenticated, "the registration has expired: start again");
  return std::move(node.mapped());
}

void AccountService::drop_expired_registrations(const MutexLock&) {
  std::erase_if(registrations_, [now = clock_.now()](const auto& entry) { return entry.second.expires <= now; });
}

Result<protocol::Session> AccountService::register_finish(const protocol::RegisterFinish& finish,
                                                          const std::string& remote_address) {
  TRY(require(finish.record.size() == crypto::opaque::kRecordBytes, "the registration record has the wrong length"));
  TRY(check_keys(finish.keys));
  TRY(check_device(finish.device));
  PendingRegistration pending = TRY(take_registration(finish.registration_id));
  UserRow user;
  random_.fill(user.id.value);
  user.name = pending.user;
  user.credential_id = std::move(pending.credential_id);
  user.record = finish.record;
  user.keys = finish.keys;
  user.created = clock_.now();
  auto session = update_in(store_, [&](Tables& tables) -> Result<protocol::Session> {
    if (TRY(tables.accounts.find_user_by_name(user.name))) return Error(Code::kAlreadyExists, "the user name is taken");
    if (TRY(tables.accounts.find_device(finish.device.id)))
      return Error(Code::kAlreadyExists, "the device id is taken: make a new one");
    TRY(tables.accounts.insert_user(user));
    TRY(tables.accounts.insert_device({finish.device, user.id, user.created, user.created, false}));
    return sessions_.create(tables, user.id, finish.device.id, false);
  });
  if (session.ok()) log_info("account.registered", {{"user", user.name}, {"from", remote_address}});
  return session;
}

protocol::LoginParameters AccountService::login_parameters() const {
  return {options_.server_name, options_.scrypt_log_n};
}

Result<protocol::LoginChallenge> AccountService::login_start(const protocol::LoginStart& start,
                                                             const std::string& remote_address) {
  std::string name = TRY(protocol::normalize_user_name(start.user));
  KeyService::LoginRequest request;
  auto user = read_from(store_, [&](const ReadTables& tables) -> Result<std::optional<UserRow>> {
    auto row = TRY(tables.accounts.find_user_by_name(name));
    if (row && TRY(is_from_device(tables, row->id, start, name))) request.known_device = start.device;
    return row;
  });
  if (!user.ok()) return std::move(user).error();
  request.parameters = {options_.scrypt_log_n, options_.server_name, name};
  request.credential_id = *user ? (*user)->credential_id : keys_.credential_id_of_nobody(name);
  if (*user) request.record = (*user)->record;
  request.ke1 = start.ke1;
  request.remote_address = remote_address;
  auto started = TRY(keys_.start_login(request));
  return protocol::LoginChallenge{std::move(started.login_id), std::move(started.ke2)};
}

Result<protocol::Session> AccountService::login_finish(const protocol::LoginFinish& finish,
                                                       const std::string& remote_address) {
  TRY(check_device(finish.device));
  auto login = TRY(keys_.finish_login(finish.login_id, finish.ke3));
  Bytes transcript = to_bytes(kLoginLabel);
  append(transcript, as_bytes(finish.login_id));
  append(transcript, login.ke2);
  append(transcript, finish.ke3);
  TRY(require(signed_by(finish.device, transcript, finish.device_signature), "the device's signature is wrong"));
  auto session = update_in(store_, [&](Tables& tables) -> Result<protocol::Session> {
    auto user = TRY(tables.accounts.find_user_by_name(login.user_name));
    if (!user) return Error(Code::kWrongPassword, "wrong user name or password");
    if (user->disabled) return Error(Code::kForbidden, "this account is disabled: ask the server's administrator");
    TRY(admit_device(tables, user->id, finish.device, clock_.now(), options_.max_devices_per_user));
    return sessions_.create(tables, user->id, finish.device.id, user->admin);
  });
  if (session.ok()) log_info("account.logged_in", {{"user", login.user_name}, {"from", remote_address}});
  return session;
}

Result<protocol::KeyBundle> AccountService::key_bundle(const Caller& caller) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<protocol::KeyBundle> {
    auto user = TRY(tables.accounts.find_user(caller.user));
    if (!user) return Error(Code::kNotFound, "no such user");
    return protocol::KeyBundle{user->id, user->name, user->keys};
  });
}

Result<std::vector<protocol::DeviceInfo>> AccountService::devices(const Caller& caller) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<protocol::DeviceInfo>> {
    std::vector<protocol::DeviceInfo> devices;
    for (DeviceRow& row : TRY(tables.accounts.list_devices(caller.user)))
      devices.push_back({std::move(row.device), row.created, row.last_seen, row.revoked});
    return devices;
  });
}

Status AccountService::revoke_device(const Caller& caller, const DeviceId& device) {
  Status done = store_.update([&](Tables& tables) -> Status {
    auto row = TRY(tables.accounts.find_device(device));
    if (!row || row->user != caller.user) return Error(Code::kNotFound, "no such device");
    TRY(tables.accounts.revoke_device(device));
    return tables.sessions.revoke_sessions_of(device);
  });
  if (done.ok()) log_info("account.device_revoked", {{"device", device.hex()}, {"from", caller.remote_address}});
  return done;
}

Result<std::vector<UserSummary>> AccountService::users(const Caller& caller, const std::string& after,
                                                       std::size_t limit) {
  TRY(require_admin(caller));
  return all_users(after, limit);
}

Result<std::vector<UserSummary>> AccountService::all_users(const std::string& after, std::size_t limit) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<std::vector<UserSummary>> {
    std::vector<UserSummary> users;
    for (const UserRow& row : TRY(tables.accounts.list_users(after, limit))) users.push_back(summary_of(row));
    return users;
  });
}

Status AccountService::set_admin(const std::string& user_name, bool admin) {
  std::string name = TRY(protocol::normalize_user_name(user_name));
  return store_.update([&](Tables& tables) -> Status {
    auto user = TRY(tables.accounts.find_user_by_name(name));
    if (!user) return Error(Code::kNotFound, "no such user");
    return tables.accounts.set_admin(user->id, admin);
  });
}

}  // namespace skymoor::server
