// A unix socket in a directory of any length. Private to the folder.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>

#include "shared/base/fd.h"

namespace skymoor::client {

/// The address of NAME in an open directory: sun_path holds 107 bytes, and state directories may be deeper than that.
inline sockaddr_un socket_address(const UniqueFd& directory, const char* name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory.get(), name);
  return address;
}

}  // namespace skymoor::client
