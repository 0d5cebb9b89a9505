#include "backend-server/http/trusted_proxies.h"

#include <algorithm>

namespace skymoor::server {
namespace {

constexpr std::size_t kMaxHops = 32;

/// The next part of a list from its end on; both lists grow to the right.
std::string_view take_last(std::string_view& list, std::string_view separators) {
  const std::size_t cut = list.find_last_of(separators);
  std::string_view part = cut == std::string_view::npos ? list : list.substr(cut + 1);
  list = cut == std::string_view::npos ? std::string_view() : list.substr(0, cut);
  while (part.starts_with(' ') || part.starts_with('\t')) part.remove_prefix(1);
  while (part.ends_with(' ') || part.ends_with('\t')) part.remove_suffix(1);
  return part;
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(std::string_view list) {
  TrustedProxies proxies;
  while (!list.empty())
    if (const std::string_view part = take_last(list, ", "); !part.empty())
      proxies.networks_.push_back(TRY(IpNetwork::parse(part)));
  return proxies;
}

bool TrustedProxies::trusts(const IpAddress& address) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const IpNetwork& network) { return network.contains(address); });
}

bool TrustedProxies::trusts(const std::string& peer) const {
  const auto address = networks_.empty() ? std::nullopt : IpAddress::parse(peer);
  return address && trusts(*address);
}

std::string TrustedProxies::client_of(const std::string& peer, const std::vector<NamedText>& headers) const {
  auto client = networks_.empty() ? std::nullopt : IpAddress::parse(peer);
  if (!client || !trusts(*client)) return peer;
  std::size_t hops = 0;
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    if (header->first != "x-forwarded-for") continue;
    for (std::string_view list = header->second; !list.empty();) {
      const auto before = IpAddress::parse(take_last(list, ","));
      if (!before || ++hops > kMaxHops) return client->to_string();
      client = before;
      if (!trusts(*client)) return client->to_string();
    }
  }
  return client->to_string();
}

}  // namespace skymoor::server
