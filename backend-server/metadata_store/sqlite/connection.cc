#include "backend-server/metadata_store/sqlite/connection.h"

namespace skymoor::server {

Result<Query> Connection::prepared(const char* sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    auto statement = TRY(database_->prepare(sql));
    found = statements_.emplace(sql, Prepared{std::move(statement)}).first;
  }
  if (found->second.busy) return Error(Code::kInternal, std::string("statement used inside itself: ") + sql);
  return Query(found->second.statement, found->second.busy);
}

}  // namespace skymoor::server
