#include "fuse/sync/plan/content_made.h"

namespace skymoor::client {

std::optional<WriteIntent> content_made(const LogRecord& record, WriterId writer) {
  if (const auto* write = std::get_if<WriteIntent>(&record.intent)) return *write;
  const auto* create = std::get_if<CreateIntent>(&record.intent);
  if (!create) return std::nullopt;
  for (const RowChange& change : record.changes)
    if (const auto* put = std::get_if<PutInode>(&change); put && put->row.id == create->inode)
      if (put->row.content == OpId{writer, record.lsn.value}) return WriteIntent{create->inode, {}};
  return std::nullopt;
}

}  // namespace skymoor::client
