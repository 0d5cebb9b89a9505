// The reading half of NamespaceService: pages of directories and of inodes, each from one snapshot.
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/inode_records.h"
#include "backend-server/services/namespace.h"

namespace skymoor::server {
namespace {

/// Pages of inodes leave out manifests beyond `max_bytes`, and give up at this many times it.
constexpr std::size_t kGiveUpFactor = 4;

Result<NameToken> parse_cursor(ByteView cursor) {
  if (cursor.empty()) return NameToken{};
  auto token = NameToken::from(cursor);
  if (!token.ok()) return Error(Code::kInvalidArgument, "the cursor is not one of this server's");
  return *token;
}

}  // namespace

Result<DirectoryPage> NamespaceService::directory(const Caller& caller, const DirectoryRequest& request) {
  NameToken after = TRY(parse_cursor(request.after));
  std::size_t limit = std::clamp<std::size_t>(request.limit, 1, kMaxListedEntries);
  return read_from(store_, [&](const ReadTables& tables) -> Result<DirectoryPage> {
    auto access = TRY(require_role(tables.volumes, caller, request.volume, protocol::Role::kReader));
    const VolumeNumber volume = access.volume.number;
    auto row = TRY(tables.names.find_inode(volume, request.directory));
    if (!row || !row->live()) return Error(Code::kNotFound, "no such directory");
    if (row->attributes.type != FileType::kDirectory) return Error(Code::kNotDirectory, "not a directory");
    DirectoryPage page;
    page.epoch = access.volume.epoch;
    page.sequence = access.volume.state.head;
    page.directory = TRY(record_of(tables.names, volume, *std::move(row), 0));
    std::size_t bytes = 0;
    // One entry more than fits tells that there is a next page.
    auto visit = [&](EntryRow entry) -> Result<bool> {
      ListedEntry listed{std::move(entry.sealed_name), entry.token,
                         TRY(record_of(tables.names, volume, std::move(entry.inode), request.manifest_bytes))};
      bytes += size_of(listed.inode) + listed.sealed_name.size();
      bool fits = page.entries.size() < limit && (page.entries.empty() || bytes <= request.max_bytes);
      if (fits) page.entries.push_back(std::move(listed));
      else page.next = to_bytes(page.entries.back().token.view());
      return fits;
    };
    TRY(tables.names.visit_entries(volume, request.directory, after, limit + 1, visit));
    return page;
  });
}

Result<InodePage> NamespaceService::inodes(const Caller& caller, const VolumeId& volume,
                                           const std::vector<InodeId>& ids, InodesOptions options) {
  const std::size_t max_bytes = options.max_bytes;
  if (ids.size() > kMaxListedEntries) return Error(Code::kTooLarge, "too many inodes at once");
  return read_from(store_, [&](const ReadTables& tables) -> Result<InodePage> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    InodePage page{access.volume.epoch, access.volume.state.head, {}};
    std::size_t bytes = 0;
    for (InodeId id : ids) {
      auto row = TRY(tables.names.find_inode(access.volume.number, id));
      if (!row || (!row->live() && !options.dead)) continue;
      bool fits = page.inodes.empty() || bytes + row->manifest_bytes <= max_bytes;
      std::size_t manifest_bytes = fits ? row->manifest_bytes : 0;
      page.inodes.push_back(TRY(record_of(tables.names, access.volume.number, *std::move(row), manifest_bytes)));
      bytes += size_of(page.inodes.back());
      if (page.inodes.size() > 1 && bytes > kGiveUpFactor * max_bytes)
        return Error(Code::kTooLarge, "the inodes' attributes do not fit one page: ask for fewer");
    }
    return page;
  });
}

}  // namespace skymoor::server
