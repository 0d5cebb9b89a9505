// account.json: who this device is, and the keys that say so.
#pragma once
#include "fuse/remote/http_client.h"
#include "shared/base/file.h"
#include "shared/crypto/key_hierarchy.h"
#include "shared/protocol/accounts.h"

namespace skymoor::client {

/// A login of this device. The seeds are secrets; `user_key` is empty after a logout (the device keeps its own keys, so
/// that what it has not sent yet can still be sent after the next login).
struct Account {
  std::string server_url;
  ServerTrust trust;
  UserId user;
  std::string user_name;
  DeviceId device;
  std::string device_name;
  crypto::SecretBytes signing_seed;   ///< Ed25519, 32 bytes
  crypto::SecretBytes sealing_seed;   ///< X25519, 32 bytes
  crypto::UserKey user_key;

  protocol::DevicePublic device_public() const;
};

/// Errors: Unauthenticated (nobody has logged in here), Corrupt (naming the file and what to do).
Result<Account> load_account(Disk& disk, const std::string& path);
/// Durability: on return the account survives a power cut. Mode 0600.
Status save_account(Disk& disk, const std::string& path, const Account& account);

/// New device keys. `name`: empty for the machine's name.
Account make_device(std::string name, Random& random);

}  // namespace skymoor::client
