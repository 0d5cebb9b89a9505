// IpAddress, IpNetwork: addresses as values, IPv4 and IPv6 alike.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace skymoor {

/// An IPv4 address is its mapped one (::ffff:192.0.2.1): both spellings are the same address.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

  /// Numbers only: no names, ports, brackets or zones.
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const;
  bool is_loopback() const;      ///< 127.0.0.0/8, ::1
  std::string to_string() const; ///< an IPv4 address in its short form
};

/// Whether a host (a name or an address, as in a URL) is this very machine: localhost, 127.0.0.0/8, ::1, [::1].
bool is_loopback_host(std::string_view host);

struct IpNetwork {
  IpAddress address;   ///< all bits after `prefix` are zero
  int prefix = 0;      ///< bits of 128: an IPv4 network's are 96 more than one writes

  /// "10.0.0.0/8", "2001:db8::/32", or one address. Errors: InvalidArgument.
  static Result<IpNetwork> parse(std::string_view text);
  /// The network of `prefix` bits (0 to 128) around an address.
  static IpNetwork around(IpAddress address, int prefix);
  bool contains(const IpAddress& other) const { return around(other, prefix).address == address; }
  std::string to_string() const;
};

/// The network that an address counts for: "192.0.2.7" -> "192.0.2.0/24", "2001:db8::1" -> "2001:db8::/64"; an IPv4 address inside
/// IPv6 counts as IPv4. What is no address counts for itself, cut to 64 bytes.
std::string network_of(const std::string& address);

}  // namespace skymoor
