#include "backend-server/services/network_prefix.h"

#include "shared/base/ip_address.h"

namespace skymoor::server {

std::string network_of(const std::string& address) {
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return address.substr(0, 64);
  return IpNetwork::around(*parsed, parsed->is_v4() ? 120 : 64).to_string();
}

}  // namespace skymoor::server
