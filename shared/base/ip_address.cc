#include "shared/base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace skymoor {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text.substr(0, INET6_ADDRSTRLEN));
  IpAddress address;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes.begin());
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + kMapped.size()) == 1) return address;
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[kMapped.size()] == 127;
  IpAddress one;
  one.bytes.back() = 1;
  return *this == one;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) ::inet_ntop(AF_INET, bytes.data() + kMapped.size(), text, sizeof text);
  else ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback());
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto wrong = [&] {
    return Error(Code::kInvalidArgument, "'" + std::string(text) + "' is no address or network like 10.0.0.0/8 or 2001:db8::/32");
  };
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return wrong();
  const int written_from = address->is_v4() && text.find(':') == std::string_view::npos ? kMappedBits : 0;
  if (slash == std::string_view::npos) return around(*address, 128);
  const std::string_view digits = text.substr(slash + 1);
  int prefix = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (failure != std::errc() || end != digits.data() + digits.size() || prefix < 0 || prefix + written_from > 128) return wrong();
  return around(*address, prefix + written_from);
}

IpNetwork IpNetwork::around(IpAddress address, int prefix) {
  for (int bit = prefix; bit < 128; bit = (bit / 8 + 1) * 8)
    address.bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(bit % 8 == 0 ? 0 : 0xff << (8 - bit % 8));
  return {address, prefix};
}

std::string IpNetwork::to_string() const {
  return address.to_string() + "/" + std::to_string(address.is_v4() ? prefix - kMappedBits : prefix);
}

std::string network_of(const std::string& address) {
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return address.substr(0, 64);
  return IpNetwork::around(*parsed, parsed->is_v4() ? 24 + kMappedBits : 64).to_string();
}

}  // namespace skymoor
