// backup.toml: says of a directory that it is a backup, of which server, and whether all of it is there.
#pragma once
#include <optional>
#include <string>

#include "shared/base/file.h"

namespace skymoor::server {

struct BackupMark {
  std::string server;      ///< made from a secret of its own; says nothing about it
  bool complete = false;
};

/// Nothing: it is none. Errors: InvalidArgument (the file is damaged), Io.
Result<std::optional<BackupMark>> load_backup_mark(Disk& disk, const std::string& directory);
/// Durability: on return it survives a power cut. Errors: NoSpace, Io.
Status save_backup_mark(Disk& disk, const std::string& directory, const BackupMark& mark);

}  // namespace skymoor::server
