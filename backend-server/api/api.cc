#include "backend-server/api/api.h"

namespace skymoor::server {
namespace {

/// The token of "Bearer TOKEN", the scheme in any case. Empty for anything else. Source: RFC 6750, RFC 9110 section 11.
std::string_view bearer_token(std::string_view header) {
  static constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(header[i])) != kScheme[i]) return {};
  return header.substr(kScheme.size());
}

}  // namespace

Router Api::routes() {
  Router router;
  add_auth(router);
  add_keys(router);
  add_volumes(router);
  add_tree(router);
  add_history(router);
  add_chunk(router);
  add_events(router);
  add_health(router);
  return router;
}

Result<Caller> Api::authenticate(const Request& request) const {
  // An empty or garbled header takes the same way as a bad token, so that the answers cannot differ.
  return services_.sessions().verify(bearer_token(request.header("authorization")), request.remote_address);
}

}  // namespace skymoor::server
