// DataHold: a backup in another process keeps the server from deleting what it is about to copy.
#pragma once
#include <string>

#include "shared/base/error.h"
#include "shared/base/fd.h"

namespace skymoor::server {

/// A lock on DIRECTORY/backup.lock, released when destroyed or when the process ends. Source: man 2 flock.
class DataHold {
 public:
  /// For a backup: blocks while the server deletes something, and keeps everybody else out. Errors: Busy (another backup runs), Io.
  static Result<DataHold> take(const std::string& directory);
  /// For who deletes, around each step. Never blocks. Errors: Busy (a backup runs), Io.
  static Result<DataHold> share(const std::string& directory);

 private:
  explicit DataHold(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace skymoor::server
