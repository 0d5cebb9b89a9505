// Tells the service manager how far the server is. Source: man 3 sd_notify (the protocol is one datagram).
#pragma once
#include <string_view>

namespace skymoor::server {

/// Sends `state` ("READY=1") to $NOTIFY_SOCKET; does nothing when that is not set. Trouble is logged: a manager that is
/// not told only waits.
void notify_service_manager(std::string_view state);

}  // namespace skymoor::server
