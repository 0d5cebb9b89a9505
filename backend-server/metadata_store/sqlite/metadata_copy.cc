#include "backend-server/metadata_store/metadata_copy.h"

#include "shared/sqlite/database.h"

namespace skymoor::server {

Status copy_metadata(const std::string& from, const std::string& to) {
  auto database = TRY(sqlite::Database::open(from));
  return database->copy_to(to);
}

}  // namespace skymoor::server
