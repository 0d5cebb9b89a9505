// Users and their devices.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/protocol/accounts.h"

namespace skymoor::server {

struct UserRow {
  UserId id;
  std::string name;        ///< normalised, unique
  Bytes credential_id;     ///< of the present OPAQUE registration
  Bytes record;            ///< OPAQUE record
  bool admin = false;
  protocol::UserKeys keys;
  Timestamp created{};
  bool disabled = false;   ///< by an administrator: no login, no token
};

struct DeviceRow {
  protocol::DevicePublic device;
  UserId user;
  Timestamp created{}, last_seen{};
  bool revoked = false;
};

class AccountTable {
 public:
  virtual ~AccountTable() = default;

  virtual Result<std::optional<UserRow>> find_user(const UserId& id) const = 0;
  virtual Result<std::optional<UserRow>> find_user_by_name(const std::string& name) const = 0;
  /// In order of name, after `after`.
  virtual Result<std::vector<UserRow>> list_users(const std::string& after, std::size_t limit) const = 0;
  virtual Result<std::uint64_t> count_users() const = 0;
  /// Errors: AlreadyExists (id or name).
  virtual Status insert_user(const UserRow& user) = 0;
  /// Errors: NotFound.
  virtual Status set_admin(const UserId& id, bool admin) = 0;
  /// Errors: NotFound.
  virtual Status set_disabled(const UserId& id, bool disabled) = 0;

  virtual Result<std::optional<DeviceRow>> find_device(const DeviceId& id) const = 0;
  virtual Result<std::vector<DeviceRow>> list_devices(const UserId& user) const = 0;
  /// Errors: AlreadyExists (id).
  virtual Status insert_device(const DeviceRow& device) = 0;
  /// Name and time of last use. Errors: NotFound.
  virtual Status touch_device(const DeviceId& id, const std::string& name, Timestamp last_seen) = 0;
  /// Errors: NotFound.
  virtual Status revoke_device(const DeviceId& id) = 0;
};

}  // namespace skymoor::server
