#include "fuse/journal/metadata_store.h"

namespace skymoor::client {

Change MetadataStore::new_change(Lsn lsn, Timestamp time, Intent intent) {
  Change change;
  change.record_.lsn = lsn;
  change.record_.time = time;
  change.record_.intent = std::move(intent);
  change.record_.changes.reserve(4);
  return change;
}

void Change::put(InodeRow row) {
  row.changed = record_.lsn;
  record_.changes.emplace_back(PutInode{std::move(row)});
}

void Change::put(DentryRow row) {
  row.changed = record_.lsn;
  record_.changes.emplace_back(PutDentry{std::move(row)});
}

void Change::erase_inode(InodeId inode) { record_.changes.emplace_back(EraseInode{inode}); }

void Change::erase_dentry(InodeId directory, std::string name) {
  record_.changes.emplace_back(EraseDentry{directory, std::move(name)});
}

void Change::put_xattr(InodeId inode, std::string name, Bytes value) {
  record_.changes.emplace_back(PutXattr{inode, std::move(name), std::move(value)});
}

void Change::erase_xattr(InodeId inode, std::string name) {
  record_.changes.emplace_back(EraseXattr{inode, std::move(name)});
}

void Change::mark_content(InodeId inode, Extent extent, bool valid, bool dirty) {
  record_.changes.emplace_back(MarkContent{inode, extent, valid, dirty});
}

void Change::put_manifest(InodeId inode, OpId content, Bytes manifest) {
  record_.changes.emplace_back(PutManifest{inode, content, std::move(manifest)});
}

void Change::move_content(InodeId from, InodeId to) { record_.changes.emplace_back(MoveContent{from, to}); }

void Change::log_data(InodeId inode, std::uint64_t offset, Bytes bytes) {
  record_.changes.emplace_back(LogData{inode, offset, std::move(bytes)});
}

}  // namespace skymoor::client
