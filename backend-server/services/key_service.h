// KeyService: the server's part in rebuilding a user's key. Keeps its secrets and its guess counters outside the
// database, so that who takes the database has nothing to test a password against.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/base/mutex.h"
#include "shared/crypto/opaque.h"

namespace skymoor::server {

class GuessStore;

/// OPAQUE's server side behind rate limits. Thread-safe. Owns its secret file, its counters and the bounded table of
/// logins under way (in memory, 60 s, one use each). Failure: a start that was counted stays counted whatever comes after.
class KeyService {
 public:
  /// Starts that were not finished count as guesses.
  struct Limits {
    int account_burst = 5;                              ///< this many in `account_window`
    std::chrono::seconds account_window{600};
    std::chrono::seconds account_pause{60};             ///< then one in this time
    int account_daily = 100;
    int network_hourly = 100;                           ///< per IPv4 /24 or IPv6 /64
  };
  struct Options {
    std::string secret_file;               ///< keyservice.secret
    std::string counter_file;              ///< keyservice.db
    bool create = true;                    ///< false: an absent secret is an error, for there are users who need it
    Limits limits;
    std::chrono::seconds login_lifetime{60};
    std::size_t max_logins = 10000;
  };
  /// Errors: NotFound (no secret and !create), Corrupt, Io.
  static Result<std::unique_ptr<KeyService>> open(Options options, Disk& disk, const Clock& clock, Random& random);
  ~KeyService();

  /// Errors: InvalidArgument (malformed request), RateLimited (by network).
  Result<Bytes> registration_response(ByteView credential_id, ByteView request, const std::string& remote_address);

  /// What stands in for the credential id of a name that nobody has: stable, and as unpredictable as a real one.
  Bytes credential_id_of_nobody(const std::string& user_name) const;

  struct LoginRequest {
    crypto::opaque::Parameters parameters;
    Bytes record;                          ///< empty: nobody has that name; answered with a fake record
    Bytes credential_id;
    Bytes ke1;
    std::string remote_address;
    DeviceId known_device{};               ///< one of the account's has proved to ask: it has the account's limits for itself
  };
  struct LoginStarted {
    std::string login_id;
    Bytes ke2;
  };
  /// Counts first, then answers. Errors: RateLimited ("try again in N s"), InvalidArgument (KE1), Busy (too many logins).
  Result<LoginStarted> start_login(const LoginRequest& request);

  struct LoginFinished {
    std::string user_name;
    Bytes ke2;                             ///< as sent, for the device's signature
  };
  /// Errors: WrongPassword (KE3 is wrong, or the id is unknown, used or expired). Takes the id out either way.
  Result<LoginFinished> finish_login(const std::string& login_id, ByteView ke3);

 private:
  struct Login {
    std::string user_name;
    Bytes ke2, expected_ke3;
    std::int64_t guess = 0;                ///< its row among the counters
    bool known = false;
    Timestamp expires{};
  };
  KeyService(Options options, const Clock& clock, Random& random, crypto::opaque::ServerSecrets secrets,
             crypto::SecretBytes nobody_key, std::unique_ptr<GuessStore> guesses);
  Result<std::int64_t> count_guess(const std::string& account, const std::string& remote_address);
  Result<std::string> remember(Login login);

  // Constant after construction.
  const Options options_;
  const Clock& clock_;
  Random& random_;
  const crypto::opaque::ServerSecrets secrets_;
  const crypto::SecretBytes nobody_key_;
  const std::unique_ptr<GuessStore> guesses_;  ///< own synchronisation
  // Guarded by mutex_.
  Mutex mutex_;
  std::map<std::string, Login> logins_ GUARDED_BY(mutex_);
};

}  // namespace skymoor::server
