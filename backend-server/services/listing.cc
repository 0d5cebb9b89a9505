// The reading half of NamespaceService: pages of directories and of inodes, each from one snapshot.
#include "backend-server/metadata_store/metadata_store.h"
#include "backend-server/services/authorization.h"
#include "backend-server/services/namespace.h"

namespace skymoor::server {
namespace {

/// What an inode adds to a page beside its variable parts.
constexpr std::size_t kRecordOverhead = 160;
constexpr std::size_t kXattrOverhead = 48;
/// Pages of inodes leave out manifests beyond `max_bytes`, and give up at this many times it.
constexpr std::size_t kGiveUpFactor = 4;

/// Fills a record, with the manifest if it is at most `manifest_bytes` long.
Result<InodeRecord> record_of(const NamespaceTable& names, VolumeNumber volume, InodeRow row,
                              std::size_t manifest_bytes) {
  InodeRecord record;
  record.inode = row.inode;
  record.attributes = row.attributes;
  record.links = row.links;
  record.version = row.touched;
  record.content_version = row.content_version;
  record.content = row.content;
  record.sealed_target = std::move(row.sealed_target);
  if (row.content_version && row.manifest_bytes <= manifest_bytes)
    record.sealed_manifest = TRY(names.find_manifest(volume, row.inode, row.content_version));
  record.manifest_left_out = row.content_version && record.sealed_manifest.empty();
  if (row.xattrs > 0) record.xattrs = TRY(names.list_xattrs(volume, row.inode));
  return record;
}

std::size_t size_of(const InodeRecord& record) {
  std::size_t size = kRecordOverhead + record.sealed_target.size() + record.sealed_manifest.size();
  for (const SetXattr& xattr : record.xattrs) size += kXattrOverhead + xattr.sealed.size();
  return size;
}

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
                                           const std::vector<InodeId>& ids, std::size_t max_bytes) {
  if (ids.size() > kMaxListedEntries) return Error(Code::kTooLarge, "too many inodes at once");
  return read_from(store_, [&](const ReadTables& tables) -> Result<InodePage> {
    auto access = TRY(require_role(tables.volumes, caller, volume, protocol::Role::kReader));
    InodePage page{access.volume.epoch, access.volume.state.head, {}};
    std::size_t bytes = 0;
    for (InodeId id : ids) {
      auto row = TRY(tables.names.find_inode(access.volume.number, id));
      if (!row || !row->live()) continue;
      bool fits = page.inodes.empty() || bytes + row->manifest_bytes <= max_bytes;
      std::size_t manifest_bytes = fits ? row->manifest_bytes : 0;
      page.inodes.push_back(TRY(record_of(tables.names, access.volume.number, *std::move(row), manifest_bytes)));
      bytes += size_of(page.inodes.back());
      if (bytes > kGiveUpFactor * max_bytes)
        return Error(Code::kTooLarge, "the inodes' attributes do not fit one page: ask for fewer");
    }
    return page;
  });
}

}  // namespace skymoor::server
