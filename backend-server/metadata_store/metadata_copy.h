// Copies of the server's databases.
#pragma once
#include <string>

#include "shared/base/error.h"

namespace skymoor::server {

/// What the database `from` holds at one moment, as a new database `to`; others may change it meanwhile. Every page that is copied is
/// checked. Durability: on return `to` survives a power cut, but for its name. Errors: Corrupt, AlreadyExists, NoSpace, Io.
Status copy_metadata(const std::string& from, const std::string& to);

}  // namespace skymoor::server
