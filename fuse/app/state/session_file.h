// session.json: the tokens of this device's login, shared by all its processes.
#pragma once
#include "fuse/remote/remote_session.h"
#include "shared/base/file.h"

namespace skymoor::client {

/// Thread-safe, also between processes: a turn holds flock(2) on a lock file beside it.
class FileSessionStore final : public SessionStore {
 public:
  FileSessionStore(Disk& disk, std::string file, std::string lock_file)
      : disk_(disk), file_(std::move(file)), lock_file_(std::move(lock_file)) {}
  /// Errors: Unauthenticated (logged out), Corrupt.
  Result<SessionTokens> load() override;
  Result<std::unique_ptr<Turn>> take_turn(const CallOptions& options) override;
  /// A new login. Durability: as Turn::save.
  Status replace(const SessionTokens& tokens, const CallOptions& options);
  /// A logout. Ok when there is none.
  Status remove(const CallOptions& options);

 private:
  Disk& disk_;
  const std::string file_, lock_file_;
};

}  // namespace skymoor::client
