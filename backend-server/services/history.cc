#include "backend-server/services/history.h"

#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/inode_records.h"
#include "shared/model/codec.h"

namespace skymoor::server {
namespace {

constexpr std::size_t kEntryOverhead = 64;

Bytes cursor_of(const TrashEntry& entry) {
  ByteWriter out;
  codec::put(out, entry.token);
  codec::put(out, entry.sequence);
  codec::put(out, entry.inode.inode);
  return out.take();
}

Result<TrashCursor> parse_cursor(ByteView bytes) {
  TrashCursor cursor;
  if (bytes.empty()) return cursor;
  ByteReader in(bytes);
  codec::get(in, cursor.token);
  codec::get(in, cursor.sequence);
  codec::get(in, cursor.inode);
  if (!in.finish("cursor").ok() || cursor.token.is_zero() || !cursor.sequence)
    return Error(Code::kInvalidArgument, "the cursor is not one of this server's");
  return cursor;
}

}  // namespace

Result<VersionPage> HistoryService::versions(const Caller& caller, const VersionRequest& request) {
  const std::size_t limit = std::clamp<std::size_t>(request.limit, 1, kMaxListedEntries);
  return read_from(store_, [&](const ReadTables& tables) -> Result<VersionPage> {
    auto access = TRY(require_role(tables.volumes, caller, request.volume, protocol::Role::kReader));
    const VolumeNumber volume = access.volume.number;
    auto row = TRY(tables.names.find_inode(volume, request.inode));
    if (!row) return Error(Code::kNotFound, "no such inode");
    VersionPage page;
    page.epoch = access.volume.epoch;
    page.head = access.volume.state.head;
    page.inode = TRY(record_of(tables.names, volume, *std::move(row), 0));
    // One more than fits tells that there is a next page.
    auto rows = TRY(tables.names.list_version_summaries(volume, request.inode, request.before, limit + 1));
    if (rows.size() > limit) {
      rows.resize(limit);
      page.next = rows.back().sequence;
    }
    for (const VersionSummaryRow& v : rows)
      page.versions.push_back({v.sequence, v.content, v.device, v.size, v.mtime, v.stored});
    return page;
  });
}

Result<Bytes> HistoryService::manifest(const Caller& caller, const VolumeId& volume, InodeId inode,
                                       Sequence version) {
  return read_from(store_, [&](const ReadTables& tables) -> Result<Bytes> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    return tables.names.find_manifest(access.volume.number, inode, version);
  });
}

Result<TrashPage> HistoryService::trash(const Caller& caller, const TrashRequest& request) {
  const TrashCursor after = TRY(parse_cursor(request.after));
  if (!after.token.is_zero() && !request.token.is_zero() && after.token != request.token)
    return Error(Code::kInvalidArgument, "the cursor is of another name");
  const std::size_t limit = std::clamp<std::size_t>(request.limit, 1, kMaxListedEntries);
  return read_from(store_, [&](const ReadTables& tables) -> Result<TrashPage> {
    auto access = TRY(require_role(tables.volumes, caller, request.volume, protocol::Role::kReader));
    const VolumeNumber volume = access.volume.number;
    TrashPage page;
    page.epoch = access.volume.epoch;
    page.head = access.volume.state.head;
    std::size_t bytes = 0;
    for (TrashRow& row : TRY(tables.names.list_trash(volume, request.directory, request.token, after, limit + 1))) {
      auto inode = TRY(tables.names.find_inode(volume, row.inode));
      if (!inode) return Error(Code::kCorrupt, "a deleted entry has no inode");
      TrashEntry entry{row.token, std::move(row.sealed_name), row.sequence, row.time,
                       TRY(record_of(tables.names, volume, *std::move(inode), 0))};
      bytes += size_of(entry.inode) + entry.sealed_name.size() + kEntryOverhead;
      if (page.entries.size() == limit || (!page.entries.empty() && bytes > request.max_bytes)) {
        page.next = cursor_of(page.entries.back());
        break;
      }
      page.entries.push_back(std::move(entry));
    }
    return page;
  });
}

}  // namespace skymoor::server
