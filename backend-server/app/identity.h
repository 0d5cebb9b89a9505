// What a server keeps from its first start on: its name, the cost of logins, its TLS certificate.
#pragma once
#include "backend-server/app/running_server.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"

namespace skymoor::server {

/// Logins are bound to both: another value would lock everybody out.
struct LoginIdentity {
  std::string server_name = "skymoor";
  std::uint32_t scrypt_log_n = 17;
};

/// Reads DIR/server.toml, or makes it from the config. Errors: InvalidArgument (the config asks for other values than
/// the first start had), Io.
Result<LoginIdentity> load_or_make_login_identity(Disk& disk, const ServerConfig& config);

struct TlsFiles {
  TlsIdentity identity;
  std::string fingerprint;  ///< "sha256:..."
};
/// The config's files, or DIR/tls.crt and DIR/tls.key, which are made when they are not there. Errors: NotFound,
/// InvalidArgument (not a certificate), Io.
Result<TlsFiles> load_or_make_tls(Disk& disk, const ServerConfig& config, Timestamp now);

/// A server has run in the data directory and left `file` there. Errors: NotFound, PermissionDenied (another user's).
Status require_server_data(Disk& disk, const std::string& directory, const std::string& file);

/// Fingerprint of the certificate in a data directory. Errors: as `require_server_data`, InvalidArgument.
Result<std::string> read_fingerprint(Disk& disk, const std::string& directory);

}  // namespace skymoor::server
