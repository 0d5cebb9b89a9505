// Signup and login: the password becomes keys, and never leaves this process.
#pragma once
#include <functional>

#include "fuse/app/state/account_file.h"
#include "fuse/remote/account_remote.h"

namespace skymoor::client {

/// A login that has just been made.
struct Enrolled {
  UserId user;
  crypto::UserKey user_key;
  SessionTokens tokens;
};

/// Makes the account: OPAQUE registration, a new user key wrapped under the password's export key and under `recovery`,
/// and the device. `device` gives name, server and device keys. `before_finish` runs when everything is ready to be sent:
/// the place to store the recovery code, for afterwards the account exists.
/// Errors: AlreadyExists (user name), InvalidArgument (user name), UnknownServer (it changed its parameters), and the
/// remote's. Blocks: network, and about a second of CPU.
Result<Enrolled> sign_up(AccountRemote& remote, const Account& device, const crypto::SecretBytes& password,
                         const crypto::RecoveryCode& recovery, const Clock& clock, Random& random,
                         const std::function<Status()>& before_finish);

/// Errors: WrongPassword (or unknown user: not told apart), RateLimited, Forbidden (device revoked), BadSignature (the
/// server's keys do not fit each other), and the remote's. Blocks: as sign_up.
Result<Enrolled> log_in(HttpClient& http, const Account& device, const crypto::SecretBytes& password,
                        const Clock& clock, Random& random);

}  // namespace skymoor::client
