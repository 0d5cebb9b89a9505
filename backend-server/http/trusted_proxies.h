// TrustedProxies: whose word on where a request comes from is taken.
#pragma once
#include <string>
#include <vector>

#include "backend-server/http/message.h"
#include "shared/base/ip_address.h"

namespace skymoor::server {

/// Behind a proxy every connection comes from the proxy. What it says in X-Forwarded-For counts if the connection comes
/// from one of these networks, and from nobody else: anyone may send such a header. A plain value.
class TrustedProxies {
 public:
  TrustedProxies() = default;   ///< none
  /// Addresses and networks, with commas or spaces between. Errors: InvalidArgument, naming the wrong one.
  static Result<TrustedProxies> parse(std::string_view list);

  /// Who asks, as text: the peer, unless it is trusted; then the last of its X-Forwarded-For headers that is not trusted itself.
  /// A header that is missing or holds something else than addresses counts up to there. Each proxy must add the address
  /// of its peer, which some do only when told to (nginx).
  std::string client_of(const std::string& peer, const std::vector<NamedText>& headers) const;

  /// False also for what is no address.
  bool trusts(const std::string& peer) const;

 private:
  bool trusts(const IpAddress& address) const;
  std::vector<IpNetwork> networks_;
};

}  // namespace skymoor::server
