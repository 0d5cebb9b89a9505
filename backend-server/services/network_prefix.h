// The network that an address counts for.
#pragma once
#include <string>

namespace skymoor::server {

/// "192.0.2.7" -> "192.0.2.0/24", "2001:db8::1" -> "2001:db8::/64"; an IPv4 address inside IPv6 counts as IPv4. What is
/// no address counts for itself, cut to 64 bytes.
std::string network_of(const std::string& address);

}  // namespace skymoor::server
