// AccountService: signup, login, devices, key bundles.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "backend-server/services/caller.h"
#include "shared/base/clock.h"
#include "shared/base/mutex.h"
#include "shared/protocol/accounts.h"

namespace skymoor::server {

class KeyService;
class MetadataStore;
class SessionService;
struct UserRow;

/// A user as an administrator sees it.
struct UserSummary {
  UserId id;
  std::string name;
  bool admin = false;
  Timestamp created{};
};

/// The rules of accounts. Thread-safe. Owns only the table of unfinished registrations (bounded, in memory: a restart
/// makes clients start again). Never learns a password, an export key or an unwrapped key. Failure: an error changes
/// nothing, except that a failed login stays counted.
class AccountService {
 public:
  struct Options {
    bool allow_signup = true;
    std::string server_name = "skymoor";   ///< bound into OPAQUE: must never change once there are users
    std::uint32_t scrypt_log_n = 17;       ///< the same
    std::size_t max_pending_registrations = 1000;
    std::size_t max_devices_per_user = 1000;
  };
  AccountService(Options options, MetadataStore& store, KeyService& keys, SessionService& sessions, const Clock& clock,
                 Random& random);

  /// Errors: Forbidden (signup is closed), InvalidArgument (name, request), AlreadyExists (name), RateLimited.
  Result<protocol::RegisterChallenge> register_start(const protocol::RegisterStart& start,
                                                     const std::string& remote_address);
  /// Makes the user and its first device, and logs it in. Durability: on return the account survives power loss.
  /// Errors: Unauthenticated (unknown, used or expired registration id), InvalidArgument, AlreadyExists (name, device).
  Result<protocol::Session> register_finish(const protocol::RegisterFinish& finish, const std::string& remote_address);

  protocol::LoginParameters login_parameters() const;
  /// The same answer, limits and cost for known and unknown users. Errors: InvalidArgument (KE1), RateLimited ("try
  /// again in N s").
  Result<protocol::LoginChallenge> login_start(const protocol::LoginStart& start, const std::string& remote_address);
  /// Errors: WrongPassword (KE3, or unknown, used or expired login id: not told apart), Forbidden (the account is
  /// disabled; the device is revoked or is not this user's), InvalidArgument (device, signature).
  Result<protocol::Session> login_finish(const protocol::LoginFinish& finish, const std::string& remote_address);

  Result<protocol::KeyBundle> key_bundle(const Caller& caller);
  Result<std::vector<protocol::DeviceInfo>> devices(const Caller& caller);
  /// Ends the device's sessions and refuses its commits from now on. Errors: NotFound (not one of the caller's).
  Status revoke_device(const Caller& caller, const DeviceId& device);

  /// For administrators, in order of name, after `after`. Errors: NotFound (the caller is none).
  Result<std::vector<UserSummary>> users(const Caller& caller, const std::string& after = {}, std::size_t limit = 1000);
  /// For `skymoord admin`, on the server's own machine. Errors: NotFound.
  Status set_admin(const std::string& user_name, bool admin);
  Result<std::vector<UserSummary>> all_users(const std::string& after = {}, std::size_t limit = 1000);

 private:
  struct PendingRegistration {
    std::string user;
    Bytes credential_id;
    Timestamp expires{};
  };
  Result<PendingRegistration> take_registration(const std::string& id);
  void drop_expired_registrations(const MutexLock&) REQUIRES(mutex_);

  // Constant after construction.
  const Options options_;
  MetadataStore& store_;
  KeyService& keys_;
  SessionService& sessions_;
  const Clock& clock_;
  Random& random_;
  // Guarded by mutex_.
  Mutex mutex_;
  std::map<std::string, PendingRegistration> registrations_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
