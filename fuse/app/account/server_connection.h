// ServerConnection: the client's end of one login.
#pragma once
#include "fuse/app/state/account_file.h"
#include "fuse/app/state/session_file.h"
#include "fuse/app/state/state_paths.h"
#include "fuse/remote/account_remote.h"

namespace skymoor::client {

/// HTTP client, tokens and typed calls of the account that is logged in. Connects on first use. Thread-safe.
class ServerConnection {
 public:
  /// Errors: InvalidArgument (URL in the account), OutOfMemory.
  static Result<std::unique_ptr<ServerConnection>> open(Disk& disk, const Clock& clock, const StatePaths& paths,
                                                        const Account& account);
  AccountRemote& account() { return account_; }
  RemoteSession& session() { return session_; }
  FileSessionStore& store() { return store_; }

 private:
  ServerConnection(Disk& disk, const Clock& clock, const StatePaths& paths, std::unique_ptr<HttpClient> http)
      : http_(std::move(http)),
        store_(disk, paths.session_file(), paths.session_lock()),
        session_(*http_, store_, clock),
        account_(*http_, session_) {}

  const std::unique_ptr<HttpClient> http_;
  FileSessionStore store_;
  RemoteSession session_;
  AccountRemote account_;
};

}  // namespace skymoor::client
