// Caller: who asks, as a verified access token says.
#pragma once
#include <string>

#include "shared/base/ids.h"

namespace skymoor::server {

/// Made only by SessionService::verify; services trust it. `remote_address` is the peer's address as text ("192.0.2.1",
/// "2001:db8::1"), after the trusted proxies.
struct Caller {
  UserId user;
  DeviceId device;
  std::string session;
  bool admin = false;
  std::string remote_address;
};

}  // namespace skymoor::server
