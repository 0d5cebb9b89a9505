// SqliteOnDisk: makes SQLite keep its files below one directory on a Disk of the test's own.
#pragma once
#include <string>

#include "shared/base/file.h"

namespace skymoor::testing {

/// While it lives, databases of this process whose path is below `directory` (absolute) are on `disk`, with their locks and
/// the WAL's shared memory in this process; all others stay where they were. Every connection must be closed before it
/// goes. Thread-safe. Throws std::logic_error where two want one directory.
class SqliteOnDisk {
 public:
  SqliteOnDisk(Disk& disk, std::string directory);
  ~SqliteOnDisk();
  SqliteOnDisk(const SqliteOnDisk&) = delete;
  SqliteOnDisk& operator=(const SqliteOnDisk&) = delete;

 private:
  const std::string directory_;
};

}  // namespace skymoor::testing
