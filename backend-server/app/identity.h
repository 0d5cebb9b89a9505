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

/// What a server has made belongs together. Call at the start, before anything of it is opened or made: a server whose database
/// is not where it was would begin an empty one, and SQLite would remove the log beside it. Errors: NotFound, naming the file.
Status require_whole_data(Disk& disk, const std::string& directory);
/// Once a server has held blocks, it does not start without any: their disk may not be mounted, and what would be stored
/// below is gone when it is. Kept in DIR/blocks.expected. Errors: NotFound, Io.
Status require_blocks(Disk& disk, const std::string& directory, std::uint64_t blocks);

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
