#include "fuse/sync/lost_files.h"

#include "shared/base/log.h"
#include "shared/model/manifest.h"

namespace skymoor::client {
namespace {

/// What the server has of the file. Nothing: it has none. An empty manifest: its list of blocks is not here.
Result<std::optional<InodeRow>> at_server(MetadataStore::Confirmed& confirmed, InodeId inode, Bytes& manifest) {
  auto row = TRY(confirmed.inode(inode));
  if (!row || row->links == 0 || row->content == OpId{}) return std::optional<InodeRow>();
  ContentRow content = TRY(confirmed.content(inode));
  if (content.manifest_content == row->content) manifest = std::move(content.manifest);
  return row;
}

Status go_back(MetadataStore& store, const InodeRow& to, Bytes manifest) {
  MutexLock lock(store.mutex());
  InodeRow row = TRY(store.inode(lock, to.id));
  if (row.links == 0) return {};   // nobody sees it again
  Change change = store.begin(lock, WriteIntent{row.id, row.content});
  row.content = {store.identity().writer, change.lsn().value};
  row.attributes.size = to.attributes.size;
  row.attributes.mtime = to.attributes.mtime;
  row.attributes.ctime = change.time();
  change.mark_content(row.id, {0, kMaxFileBytes}, false, false);
  change.put_manifest(row.id, row.content, std::move(manifest));
  change.put(std::move(row));
  return store.commit(lock, std::move(change));
}

}  // namespace

Status settle_lost_files(MetadataStore& store, BackingStore& backing) {
  if (store.pending().files == 0) return {};
  std::unique_ptr<MetadataStore::Confirmed> confirmed;
  for (InodeId inode : TRY(store.dirty_inodes())) {
    if (backing.exists(inode)) continue;
    if (!confirmed) confirmed = TRY(store.confirmed());
    Bytes manifest;
    const auto before = TRY(at_server(*confirmed, inode, manifest));
    const char* became = "an error when it is read";
    if (before && !manifest.empty()) {
      TRY(go_back(store, *before, std::move(manifest)));
      became = "what the server has";
    } else if (!before && store.power_was_lost()) {
      TRY(backing.open_file(inode, true));
      became = "zeros";
    }
    log_error("sync.content.gone", {{"inode", inode.value}, {"became", became}});
  }
  return {};
}

}  // namespace skymoor::client
