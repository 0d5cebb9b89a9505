#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {

void FsStack::publish(const std::map<std::string, std::string>& files, bool manifests) {
  std::vector<MetadataStore::ListedRow> rows;
  std::uint64_t id = 100;
  for (const auto& [name, bytes] : files) {
    MetadataStore::ListedRow row;
    row.name = name;
    row.inode.id = make_inode_id(WriterId{9}, ++id);
    row.inode.attributes.mode = 0644;
    row.inode.attributes.size = bytes.size();
    row.inode.links = 1;
    row.inode.parent = kRootInode;
    row.inode.content = {WriterId{9}, id};
    row.inode.version = Sequence{1};
    Manifest manifest;
    manifest.size = bytes.size();
    if (bytes.size() <= kMaxInlineBytes) {
      manifest.inline_data = to_bytes(bytes);
    } else {
      for (std::uint64_t at = 0; at < bytes.size(); at += 1u << 20) {
        Chunk chunk;
        chunk.length = std::min<std::uint64_t>(1u << 20, bytes.size() - at);
        if (bytes.substr(at, chunk.length).find_first_not_of('\0') != std::string::npos)
          chunk.block.value.fill(static_cast<std::uint8_t>(1 + at / (1u << 20)));
        chunk.stored_bytes = static_cast<std::uint32_t>(chunk.length);
        manifest.chunks.push_back(chunk);
      }
    }
    if (manifests) row.manifest = encode_manifest(manifest);
    server[row.inode.id.value] = bytes;
    rows.push_back(std::move(row));
  }
  InodeRow root = row(kRootInode);
  auto merged = store->merge_listing(kRootInode, Sequence{1}, {.inode = root}, rows, true);
  ASSERT_TRUE(merged.ok()) << merged.error().to_string();
  fetcher.on_fetch = [this](const Need& need) { return fetch_content(need); };
}

Status FsStack::fetch_content(const Need& need) {
  if (need.kind != Need::Kind::kContent) return Error(Code::kOffline, "only content here");
  const std::string& bytes = server.at(need.inode.value);
  auto file = TRY(backing->open_file(need.inode, true));
  BackingFile::Modification change(*file);
  MutexLock lock(store->mutex());
  ContentRow row = TRY(store->content(lock, need.inode));
  lock.unlock();
  for (const Extent& part : row.valid.missing(need.extent)) {
    if (part.begin >= bytes.size()) break;
    TRY(file->file().write_at(part.begin, as_bytes(std::string_view(bytes).substr(part.begin, part.length()))));
  }
  if (!row.dirty.empty()) backing->note_fetched(need.inode);
  MutexLock again(store->mutex());
  return store->note_content(again, need.inode, need.extent, true);
}

void FsStack::move_content(InodeId from, InodeId to, const std::function<void()>& between) {
  auto file = backing->open_file(from, false).value();
  auto frozen = file->freeze();
  ASSERT_NO_FATAL_FAILURE(move_rows(*fs, from, to));
  if (between) between();
  ASSERT_OK(backing->move(from, to));
  frozen.unlock();
  fs->files_moved();
}

void FsStack::move_rows(Filesystem& told, InodeId from, InodeId to) {
  MutexLock lock(store->mutex());
  Change change = store->begin(lock, LocalIntent{});
  InodeRow given = *store->inode(lock, to), left = *store->inode(lock, from);
  given.content = std::exchange(left.content, OpId{});
  given.attributes.size = std::exchange(left.attributes.size, 0);
  change.move_content(from, to);
  change.put(given);
  change.put(left);
  ASSERT_OK(store->commit(lock, std::move(change)));
  told.rows_moved(lock, {{from, to}});
}

}  // namespace skymoor::client
