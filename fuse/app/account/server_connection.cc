#include "fuse/app/account/server_connection.h"

namespace skymoor::client {

Result<std::unique_ptr<ServerConnection>> ServerConnection::open(Disk& disk, const Clock& clock,
                                                                 const StatePaths& paths, const Account& account) {
  HttpClient::Options options;
  options.base_url = account.server_url;
  options.trust = account.trust;
  auto http = TRY(HttpClient::open(std::move(options)));
  return std::unique_ptr<ServerConnection>(new ServerConnection(disk, clock, paths, std::move(http)));
}

}  // namespace skymoor::client
