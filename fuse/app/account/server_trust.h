// First contact with a server: whether its certificate is the right one is for a person to say, once.
#pragma once
#include "fuse/app/console.h"
#include "fuse/remote/http_client.h"

namespace skymoor::client {

struct TrustOptions {
  std::string fingerprint;    ///< "sha256:HEX" that it must be (case, colons and the prefix do not matter)
  bool accept_first = false;  ///< take whatever it shows, saying so
};

/// Looks at the server's certificate and decides what this device will accept from now on. A given fingerprint decides
/// alone; otherwise what the machine's authorities vouch for is accepted without a pin, what was accepted before
/// (`known`) stays so, and anything else is shown and asked about.
/// Errors: BadCertificate (not the given or known one; declined; nobody to ask), Offline, TimedOut.
Result<ServerTrust> establish_trust(const std::string& base_url, const TrustOptions& options, const ServerTrust& known,
                                    Console& console);

/// "AB:CD:..", "sha256:abcd.." -> "sha256:abcd..". Errors: InvalidArgument unless 32 bytes.
Result<std::string> normalize_fingerprint(std::string_view text);

}  // namespace skymoor::client
