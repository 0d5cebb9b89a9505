#include "backend-server/services/network_prefix.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace skymoor::server {
namespace {

std::string v4_network(const std::uint8_t* address) {
  return std::to_string(address[0]) + "." + std::to_string(address[1]) + "." + std::to_string(address[2]) + ".0/24";
}

}  // namespace

std::string network_of(const std::string& address) {
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return v4_network(bytes.data());
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address.substr(0, 64);
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(bytes.data(), kMapped.data(), kMapped.size()) == 0) return v4_network(bytes.data() + kMapped.size());
  std::memset(bytes.data() + 8, 0, 8);
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return std::string(text) + "/64";
}

}  // namespace skymoor::server
